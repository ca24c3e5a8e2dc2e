// Package clustertest has the chains that a cluster.Cluster needs in memory:
// tablets whose commands are evaluated by the real chain/tablet, one replica
// each, and chunks. Commands and answers travel as bytes. Faults can be put in
// at every step, and tablets can be split. It is for tests, the contract suite
// among them.
package clustertest
