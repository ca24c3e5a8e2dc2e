// Package rule names what the protocols of chain/index and chain/data demand,
// so that a simulation can switch one rule off and show that it would see it
// missing: a replica without a rule is a mutant, and a mutant that no seed
// catches fails the tests.
//
// The code asks Holds where it obeys a rule. The zero Set, which New of both
// packages takes, holds every rule; another Set is made by Without only, and
// the package is internal to chain/: no configuration, flag or field of a
// production path can name one.
package rule
