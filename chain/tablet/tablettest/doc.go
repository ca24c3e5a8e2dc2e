// Package tablettest runs a tablet in memory, for tests: its rows in a sorted
// list (Rows), and one replica over them (Replica) whose pending entries stay
// pending until they are committed, and can be lost as a change of head loses
// them.
package tablettest
