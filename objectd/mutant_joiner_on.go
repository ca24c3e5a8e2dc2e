//go:build mutant_joiner_copies_nothing

package objectd

// joinerCopiesNothing makes a build for the audits of the tests: a joiner
// installs no rows of a snapshot, and finds no chunk to copy, and is reported in
// sync all the same. A test of lost disks that passes with it tests nothing.
const joinerCopiesNothing = true
