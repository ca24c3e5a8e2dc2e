package tablet

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the actions in a command. They are stored in no row, but
// travel between releases: never renumber.
const (
	fieldPut protowire.Number = 16 + iota
	fieldDelete
	fieldDeleteMany
	fieldCreateUpload
	fieldPutPart
	fieldComplete
	fieldAbort
	fieldReleaseDone
	fieldEmpty
	fieldSetRecord
	fieldSetBucket
)

// maxCommand bounds a command: 10,000 named parts, or a manifest and a body.
const maxCommand = 4 << 20

// EncodeCommand gives the bytes of a command as it travels, inline bytes included.
func EncodeCommand(c *Command) []byte {
	e := newValue()
	e.id(1, c.Op)
	e.sint(2, c.Learned)
	e.bool(3, c.Repeat)
	e.uint(4, uint64(c.Tablet))
	e.uint(5, c.Generation)
	e.id(6, c.Bucket)
	e.uint(7, c.BucketGen)
	e.str(8, c.Key)
	e.sint(9, c.Stamp)
	e.action(c.Action)
	return e.b
}

func (e *enc) condition(n protowire.Number, c *Condition) {
	if *c == (Condition{}) {
		return
	}
	e.msg(n, func(e *enc) {
		e.str(1, c.IfMatch)
		e.bool(2, c.IfAbsent)
		if c.IfSize != nil {
			e.uint(3, protowire.EncodeZigZag(*c.IfSize)+1)
		}
		if c.IfModified != nil {
			e.uint(4, protowire.EncodeZigZag(*c.IfModified)+1)
		}
		e.uint(5, c.IfRev)
		e.str(6, c.IfNotETag)
	})
}

func (f field) optional(dst **int64) error {
	var v uint64
	if err := f.uint(&v); err != nil || v == 0 {
		return err
	}
	n := protowire.DecodeZigZag(v - 1)
	*dst = &n
	return nil
}

func decCondition(c *Condition, f field) error {
	return f.nested(f.what, func(f field) error {
		switch f.num {
		case 1:
			return f.str(&c.IfMatch, maxName)
		case 2:
			return f.bool(&c.IfAbsent)
		case 3:
			return f.optional(&c.IfSize)
		case 4:
			return f.optional(&c.IfModified)
		case 5:
			return f.uint(&c.IfRev)
		case 6:
			return f.str(&c.IfNotETag, maxName)
		}
		return nil
	})
}

func (e *enc) manifest(n protowire.Number, m *Manifest) {
	if m != nil {
		e.msg(n, m.fields)
	}
}

func decManifestField(dst **Manifest, f field) error {
	*dst = &Manifest{}
	return f.nested(f.what, (*dst).field)
}

func (e *enc) action(a Action) {
	switch a := a.(type) {
	case *PutObject:
		e.msg(fieldPut, func(e *enc) {
			e.msg(1, a.Object.fields)
			e.manifest(2, a.Manifest)
			e.bytes(3, a.Bytes)
			e.condition(4, &a.If)
		})
	case *DeleteObject:
		e.msg(fieldDelete, func(e *enc) { e.condition(1, &a.If) })
	case *DeleteMany:
		e.msg(fieldDeleteMany, func(e *enc) {
			for i := range a.Keys {
				e.msg(1, func(e *enc) { e.str(1, a.Keys[i].Key); e.condition(2, &a.Keys[i].If) })
			}
		})
	case *CreateUpload:
		e.msg(fieldCreateUpload, func(e *enc) { e.id(1, a.ID); e.msg(2, a.Upload.fields) })
	case *PutPart:
		e.msg(fieldPutPart, func(e *enc) {
			e.id(1, a.Upload)
			e.msg(2, a.Part.fields)
			e.manifest(3, a.Manifest)
			e.bytes(4, a.Bytes)
		})
	case *Complete:
		e.msg(fieldComplete, a.fields)
	default:
		e.smallAction(a)
	}
}

func (a *Complete) fields(e *enc) {
	e.id(1, a.Upload)
	for _, p := range a.Parts {
		e.msg(2, func(e *enc) { e.uint(1, uint64(p.Number)); e.id(2, p.Blob) })
	}
	e.msg(3, a.Object.fields)
	e.condition(4, &a.If)
}

func (e *enc) smallAction(a Action) {
	switch a := a.(type) {
	case *Abort:
		e.msg(fieldAbort, func(e *enc) { e.id(1, a.Upload) })
	case *ReleaseDone:
		e.msg(fieldReleaseDone, func(e *enc) {
			e.bytes(1, a.Release)
			var packed []byte
			for _, n := range a.Parts {
				packed = protowire.AppendVarint(packed, uint64(n))
			}
			e.bytes(2, packed)
			e.bool(3, a.Last)
		})
	case *Empty:
		e.msg(fieldEmpty, func(*enc) {})
	case *SetRecord:
		e.msg(fieldSetRecord, func(e *enc) {
			e.id(1, a.Old.ID)
			e.uint(2, uint64(a.Old.State))
			e.uint(3, a.Old.Generation)
			if a.New != nil {
				e.msg(4, a.New.fields)
			}
		})
	case *SetBucket:
		e.msg(fieldSetBucket, func(e *enc) { e.msg(1, a.Row.fields) })
	}
}

// DecodeCommand is the inverse of EncodeCommand. It bounds everything it reads;
// an action that this release does not know is an error. The command does not
// alias b, but for inline bytes.
func DecodeCommand(b []byte) (*Command, error) {
	c := &Command{}
	err := value("command", b, maxCommand, func(f field) error {
		switch f.num {
		case 1:
			return f.id(&c.Op)
		case 2:
			return f.sint(&c.Learned)
		case 3:
			return f.bool(&c.Repeat)
		case 4:
			return f.uint((*uint64)(&c.Tablet))
		case 5:
			return f.uint(&c.Generation)
		case 6:
			return f.id(&c.Bucket)
		case 7:
			return f.uint(&c.BucketGen)
		case 8:
			return f.str(&c.Key, MaxKey+len(BucketRecordPrefix))
		case 9:
			return f.sint(&c.Stamp)
		}
		return c.decAction(f)
	})
	if err == nil && c.Action == nil {
		err = formatErr("command", "no action")
	}
	return c, err
}

func (c *Command) decAction(f field) error {
	if f.num < fieldPut {
		return nil
	}
	if c.Action != nil {
		return f.bad("a second action")
	}
	var fn func(field) error
	switch f.num {
	case fieldPut:
		a := &PutObject{Object: Object{VersionID: NullVersion}}
		c.Action, fn = a, a.field
	case fieldDelete:
		a := &DeleteObject{}
		c.Action, fn = a, func(f field) error {
			if f.num == 1 {
				return decCondition(&a.If, f)
			}
			return nil
		}
	case fieldDeleteMany:
		a := &DeleteMany{}
		c.Action, fn = a, a.field
	case fieldCreateUpload:
		a := &CreateUpload{}
		c.Action, fn = a, a.field
	case fieldPutPart:
		a := &PutPart{}
		c.Action, fn = a, a.field
	case fieldComplete:
		a := &Complete{Object: Object{VersionID: NullVersion}}
		c.Action, fn = a, a.field
	default:
		if fn = c.decSmall(f.num); fn == nil {
			return f.bad("unknown action")
		}
	}
	return f.nested(f.what, fn)
}

func (c *Command) decSmall(n protowire.Number) func(field) error {
	switch n {
	case fieldAbort:
		a := &Abort{}
		c.Action = a
		return func(f field) error {
			if f.num == 1 {
				return f.id(&a.Upload)
			}
			return nil
		}
	case fieldReleaseDone:
		a := &ReleaseDone{}
		c.Action = a
		return a.field
	case fieldEmpty:
		c.Action = &Empty{}
		return func(field) error { return nil }
	case fieldSetRecord:
		a := &SetRecord{}
		c.Action = a
		return a.field
	case fieldSetBucket:
		a := &SetBucket{}
		c.Action = a
		return func(f field) error {
			if f.num == 1 {
				return f.nested(f.what, a.Row.field)
			}
			return nil
		}
	}
	return nil
}

func (a *PutObject) field(f field) error {
	switch f.num {
	case 1:
		return f.nested(f.what, a.Object.field)
	case 2:
		return decManifestField(&a.Manifest, f)
	case 3:
		return f.raw(&a.Bytes, MaxInline)
	case 4:
		return decCondition(&a.If, f)
	}
	return nil
}

func (a *DeleteMany) field(f field) error {
	if f.num != 1 {
		return nil
	}
	return add(&a.Keys, MaxDeleteKeys, f, func(k *DeleteKey, f field) error {
		switch f.num {
		case 1:
			return f.str(&k.Key, MaxKey)
		case 2:
			return decCondition(&k.If, f)
		}
		return nil
	})
}

func (a *CreateUpload) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&a.ID)
	case 2:
		return f.nested(f.what, a.Upload.field)
	}
	return nil
}

func (a *PutPart) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&a.Upload)
	case 2:
		return f.nested(f.what, a.Part.field)
	case 3:
		return decManifestField(&a.Manifest, f)
	case 4:
		return f.raw(&a.Bytes, MaxInline)
	}
	return nil
}

func (a *Complete) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&a.Upload)
	case 2:
		return add(&a.Parts, MaxParts, f, func(p *NamedPart, f field) error {
			switch f.num {
			case 1:
				return f.uint32(&p.Number)
			case 2:
				return f.id(&p.Blob)
			}
			return nil
		})
	case 3:
		return f.nested(f.what, a.Object.field)
	case 4:
		return decCondition(&a.If, f)
	}
	return nil
}

func (a *ReleaseDone) field(f field) error {
	switch f.num {
	case 1:
		return f.bytes(&a.Release, maxText)
	case 2:
		var packed []byte
		if err := f.raw(&packed, 5*MaxDoneParts); err != nil {
			return err
		}
		for len(packed) > 0 {
			v, n := protowire.ConsumeVarint(packed)
			if n < 0 || v > MaxParts || len(a.Parts) >= MaxDoneParts {
				return f.bad("not part numbers")
			}
			a.Parts, packed = append(a.Parts, uint32(v)), packed[n:]
		}
		return nil
	case 3:
		return f.bool(&a.Last)
	}
	return nil
}

func (a *SetRecord) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&a.Old.ID)
	case 2:
		return f.uint8((*uint8)(&a.Old.State))
	case 3:
		return f.uint(&a.Old.Generation)
	case 4:
		a.New = &Record{}
		return f.nested(f.what, a.New.field)
	}
	return nil
}
