// Package georedundancy is what a platform team writes with the SDK: the runbook and the check of a made-up vendor's
// product, Acme Ledger, and unit tests on every test kit. It is a module of its own, as theirs is, and is not part of the
// SDK: it shows that the SDK can be used by those who see nothing but what it exports.
package georedundancy
