// Package campaign keeps the record of long runs: each slice of a campaign
// appends one line to bench/results/campaigns.jsonl, with a hash of the
// packages under test. A campaign's figure is the sum of its slices while that
// hash stands.
package campaign
