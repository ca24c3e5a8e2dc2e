package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"catena/chain"
	"catena/objectd/vfs"
)

const (
	identityFile  = "STORE"
	identityMagic = "CATENAST"
	lockFile      = "LOCK"
	segDir        = "seg"
)

type identity struct {
	store       chain.StoreID
	segmentSize int64
}

func (id *identity) encode() []byte {
	var f []byte
	f = appendUint(f, 1, formatVersion)
	f = appendBytes(f, 4, id.store[:])
	f = appendUint(f, 5, uint64(id.segmentSize))
	b := append([]byte(identityMagic), make([]byte, 8)...)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(f)))
	binary.LittleEndian.PutUint32(b[12:], sum(0, f))
	return append(b, f...)
}

func decodeIdentity(b []byte) (*identity, error) {
	damaged := &Error{Kind: ErrDamaged, Op: "read identity", Detail: identityFile}
	if len(b) < 16 || string(b[:8]) != identityMagic || int(binary.LittleEndian.Uint32(b[8:])) != len(b)-16 ||
		binary.LittleEndian.Uint32(b[12:]) != sum(0, b[16:]) {
		return nil, damaged
	}
	id := &identity{}
	var version, incompatible uint64
	err := eachField(b[16:], func(f field) error {
		switch f.num {
		case 1:
			version = f.u
		case 3:
			incompatible = f.u
		case 4:
			return exactly(id.store[:], f.b)
		case 5:
			id.segmentSize = int64(f.u)
		}
		return nil
	})
	if err != nil {
		damaged.Err = err
		return nil, damaged
	}
	if version != formatVersion || incompatible != 0 {
		return nil, &Error{Kind: ErrTooNew, Op: "read identity"}
	}
	if s := id.segmentSize; s < MinSegmentSize || s > MaxSegmentSize || s%block != 0 {
		return nil, damaged
	}
	return id, nil
}

func readIdentity(f vfs.FS, dir string) (*identity, bool, error) {
	b, err := vfs.ReadFile(f, vfs.Join(dir, identityFile), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	id, err := decodeIdentity(b)
	return id, err == nil, err
}

// Identity reads which store a directory belongs to. ok is false for a
// directory that has no identity (or does not exist).
func Identity(f vfs.FS, dir string) (id chain.StoreID, ok bool, err error) {
	i, ok, err := readIdentity(f, dir)
	if !ok {
		return id, false, err
	}
	return i.store, true, nil
}

// claim checks the directory's identity against the Config, or gives an empty
// directory its identity.
func (s *Store) claim() error {
	id, ok, err := readIdentity(s.cfg.FS, s.cfg.Dir)
	if err != nil {
		return err
	}
	if ok {
		if id.store != s.cfg.StoreID {
			return &Error{Kind: ErrIdentity, Op: "open", Detail: fmt.Sprintf("%s belongs to store %s, not %s", s.cfg.Dir, id.store, s.cfg.StoreID)}
		}
		s.cfg.SegmentSize = id.segmentSize
		return nil
	}
	for _, name := range []string{segDir, rowsDir} {
		if there, err := exists(s.cfg.FS, vfs.Join(s.cfg.Dir, name)); err != nil || there {
			return errors.Join(err, &Error{Kind: ErrIdentity, Op: "open", Detail: s.cfg.Dir + " has data but no identity"})
		}
	}
	id = &identity{store: s.cfg.StoreID, segmentSize: s.cfg.SegmentSize}
	return vfs.WriteFile(s.cfg.FS, s.cfg.Dir, identityFile, id.encode())
}
