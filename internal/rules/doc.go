// Package rules holds the rules of the repository as tests: who may import whom, what library code may not do, and which
// programs the SDK executes. It has no code of its own.
package rules
