// Package report shows a run and its proof to someone who was not there: one [Document], written as HTML in one file,
// Markdown, JUnit, JSON or text.
//
// The two things to know are [Document] and [Write]. All formats say the same: the verdict first, then what leads to it.
// Nothing is left out because an error came in between: a document of a run that failed or was interrupted holds what is
// known, and its verdict is not pass.
//
// What findings and steps say is taken for hostile: markup is escaped in every format, and characters that would steer a
// terminal or turn the direction of writing are shown by their numbers. The same document gives the same bytes.
//
// The JSON format is described by docs/report.schema.json in the repository. Out of scope: where a report is kept, and
// what goes into it; secrets do not belong into findings or steps.
package report
