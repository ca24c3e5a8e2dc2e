//go:build !mutant_joiner_copies_nothing

package objectd

// joinerCopiesNothing is false in every build that is meant to be used. See
// mutant_joiner_on.go.
const joinerCopiesNothing = false
