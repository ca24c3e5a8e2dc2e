package vfs

// Wipe forgets everything and gives the memory back, also what open files hold,
// for a file system that is not used any more but that somebody still refers to.
func (m *Mem) Wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.root.wipe(map[*memNode]bool{})
	m.root, m.used = newMemDir(), 0
}

func (n *memNode) wipe(done map[*memNode]bool) {
	if done[n] {
		return
	}
	done[n] = true
	for _, c := range n.children {
		c.wipe(done)
	}
	for _, c := range n.synced {
		c.wipe(done)
	}
	n.data, n.syncedSize = nil, 0
	clear(n.before)
}
