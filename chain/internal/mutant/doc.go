// Package mutant names the rules of the protocols that a simulation can switch
// off, one at a time, to show that it would see the rule missing.
//
// It is internal to chain/: no configuration, flag or field of a production
// path can name a Set, and the zero Set switches nothing off.
package mutant
