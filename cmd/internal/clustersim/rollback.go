package clustersim

import "catena/objectd/vfs"

// Image is a picture of a disk, as a snapshot of a virtual machine or a copy of
// a volume keeps it: what the running process wrote up to now, synced or not.
func (c *Cluster) Image(d *Disk) *vfs.Mem { return d.mem.CrashClone(100, 0) }

// RollBack puts an image in the place of a disk's present content, while
// nothing runs. The disk says that it is the same as ever: same store, same
// replicas, same incarnations.
func (c *Cluster) RollBack(d *Disk, image *vfs.Mem) error {
	if c.proc != nil {
		return errRuns
	}
	old := d.mem
	d.plug(image, c.power)
	old.Wipe()
	return nil
}
