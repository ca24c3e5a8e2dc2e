// Package bubbletest runs tests of stores inside testing/synctest, where time
// costs nothing, also when a store fails in them.
package bubbletest
