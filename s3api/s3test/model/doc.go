// Package model is an objects.Backend in memory: small, slow and obviously right. It
// is what the contract suite compares endpoints with, and the store of the handlers'
// own tests.
//
// One lock makes every operation a single step, so any answer is that of some
// sequential order. Nothing survives the process.
package model
