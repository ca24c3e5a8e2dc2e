package identity

import (
	"fmt"
	"path/filepath"
	"strings"

	"catena/chain"
)

// State is what was found at a given DIR.
type State int

// The states. Only Identified says anything about a store.
const (
	// Missing: nothing exists at the path.
	Missing State = iota + 1
	// Empty: a directory with nothing in it that counts (lost+found, our LOCK
	// and unfinished temporary files do not).
	Empty
	// Identified: the identity file verifies, and File holds it.
	Identified
	// Foreign: files, but no identity.
	Foreign
	// NotDirectory: a file or something else.
	NotDirectory
	// Damaged: there is an identity file that does not verify, or none beside
	// what only a store of ours has.
	Damaged
	// Newer: a newer release wrote the identity file.
	Newer
	// NotUsable: the permissions, or a read-only mount, keep us out.
	NotUsable
	// Dead: the device answers with I/O errors.
	Dead
	// InUse: another process holds the lock.
	InUse
)

// DirState is one given DIR as found, in the order of the command line.
type DirState struct {
	// Path is absolute and clean.
	Path  string
	State State
	// Detail completes a sentence: the error, the first foreign file, the pid.
	Detail string
	// File is set when Identified. When the device died after its identity was
	// read, File.Store still says which store it was and the record is empty.
	File File
	// Device and Inode tell directories and devices apart; 0 when unknown.
	Device, Inode uint64
}

// refusal gives the sentence for what must be put right by a person, or "".
func (d DirState) refusal() string {
	switch d.State {
	case Foreign:
		return fmt.Sprintf("directory %s is not empty (it holds %s) and has no Catena identity: give an empty directory, or the right one", d.Path, d.Detail)
	case NotDirectory:
		return fmt.Sprintf("%s is not a directory", d.Path)
	case Newer:
		return fmt.Sprintf("directory %s was %s: start that release", d.Path, d.Detail)
	case NotUsable:
		return fmt.Sprintf("directory %s is not writable (%s): mend that, or leave it out to start without it", d.Path, d.Detail)
	case InUse:
		return fmt.Sprintf("directory %s is in use by another process%s", d.Path, d.Detail)
	}
	return ""
}

// absence says why a DIR holds no store that can be used.
func (d DirState) absence() string {
	switch d.State {
	case Missing:
		return "the directory does not exist"
	case Empty:
		return "the directory is empty"
	case Damaged:
		return "its identity file is unreadable: " + d.Detail
	case Dead:
		return "the device fails: " + d.Detail
	}
	return "another store is there"
}

// checkDistinct refuses a directory given twice, or inside another one.
func checkDistinct(found []DirState) (problems []string) {
	for i, a := range found {
		for _, b := range found[i+1:] {
			switch {
			case a.Path == b.Path:
				problems = append(problems, fmt.Sprintf("directory %s is given twice", a.Path))
			case a.Inode != 0 && a.Inode == b.Inode && a.Device == b.Device:
				problems = append(problems, fmt.Sprintf("%s and %s are the same directory", a.Path, b.Path))
			case inside(a.Path, b.Path):
				problems = append(problems, fmt.Sprintf("directory %s lies inside %s", b.Path, a.Path))
			case inside(b.Path, a.Path):
				problems = append(problems, fmt.Sprintf("directory %s lies inside %s", a.Path, b.Path))
			}
		}
	}
	return problems
}

// inside reports whether path lies below dir.
func inside(dir, path string) bool {
	sep := string(filepath.Separator)
	return strings.HasPrefix(path, strings.TrimSuffix(dir, sep)+sep)
}

// checkSameCluster refuses directories of several clusters or nodes, and two
// that hold the same store. It is given only identified ones.
func checkSameCluster(found []DirState) (problems []string) {
	owner := map[chain.StoreID]string{}
	for i, d := range found {
		first := found[0].File.Record
		switch r := d.File.Record; {
		case r.Cluster != first.Cluster:
			problems = append(problems, fmt.Sprintf("directory %s belongs to cluster %s, but %s to cluster %s", d.Path, r.Cluster, found[0].Path, first.Cluster))
		case r.Node != first.Node:
			problems = append(problems, fmt.Sprintf("directory %s belongs to node %s of the cluster, but %s to node %s", d.Path, r.Node, found[0].Path, first.Node))
		}
		if other, ok := owner[d.File.Store]; ok {
			problems = append(problems, fmt.Sprintf("directories %s and %s both say that they are store %s: one is a copy, leave it out", other, d.Path, d.File.Store))
		}
		owner[found[i].File.Store] = d.Path
	}
	return problems
}

// byState gives those in the state.
func byState(found []DirState, s State) (out []DirState) {
	for _, d := range found {
		if d.State == s {
			out = append(out, d)
		}
	}
	return out
}

func paths(found []DirState) string {
	out := make([]string, len(found))
	for i, d := range found {
		out[i] = d.Path
	}
	return strings.Join(out, ", ")
}
