// Command sim runs simulated chains, seed after seed, as a campaign: it goes on
// where the recorded slices of the same code ended, stops at the first
// violation, and prints the seed that shows it again.
//
//	go run ./cmd/sim -kind index -minutes 20 -record
//	go run ./cmd/sim -kind data -seeds 5000
//	go run ./cmd/sim -kind index -seed 4711 -trace
package main
