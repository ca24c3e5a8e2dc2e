// Command sim runs simulated chains, seed after seed, as a campaign: it goes on
// where the recorded slices of the same code ended, stops at the first
// violation, and prints the seed that shows it again.
//
//	go run ./cmd/sim -kind index -minutes 20 -record
//	go run ./cmd/sim -kind data -seeds 5000
//	go run ./cmd/sim -kind index -seed 4711 -trace
//
// With -kind explore it goes through every state of small index chains, scope
// after scope, each cut at -states; a scope is a unit of the campaign, and one
// that the same code has exhausted, or explored as far, is not begun again, unless
// its bounds or the explorer have changed since.
//
//	go run ./cmd/sim -kind explore -states 10000000 -minutes 60 -record
//	go run ./cmd/sim -kind explore -scope ab-join
package main
