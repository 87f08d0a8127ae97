// Package creds is about access that one site gives another: a service account of the source, brought to a consumer in
// another site as a Secret, rotated without a gap, and taken back with proof.
//
// The two types to know are [Export] and [Grant]. An export is what a consumer needs of another site's service account,
// and [Export.Faults] tells everything that is wrong with it before it is written anywhere. A grant says who reads it;
// [Plan] makes grants of a table of consumers, so that no site receives what none of its consumers reads.
//
// Tokens and documents that hold tokens are types of their own, [Token] and [Document]: they redact in every form of
// printing, and open by Reveal alone. No error, fault, finding or step of this package repeats what it was given as a
// secret.
//
// Out of scope: reaching clusters, which is creds/kube's; verifying signatures of tokens, which only the API server that
// issued them can.
package creds
