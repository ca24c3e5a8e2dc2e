package tablet

// EncodeAnswer gives the bytes of an answer. Op rows hold answers in the same
// form, without the speaker.
func EncodeAnswer(a *Answer) []byte {
	e := newValue()
	e.uint(1, uint64(a.Status))
	e.uint(2, uint64(a.Tablet))
	e.uint(3, a.Generation)
	e.bytes(4, a.Start)
	e.bytes(5, a.End)
	e.sint(6, a.Time)
	e.uint(7, a.Rev)
	e.sint(8, a.Modified)
	if a.VersionID != NullVersion {
		e.str(9, a.VersionID)
	}
	e.bool(10, a.Existed)
	if a.Bucket != nil {
		e.msg(11, a.Bucket.fields)
	}
	if a.Record != nil {
		e.msg(12, a.Record.fields)
	}
	e.uint(13, uint64(a.Part))
	if len(a.Keys) > 0 {
		packed := make([]byte, 0, 2*len(a.Keys))
		for _, k := range a.Keys {
			existed := byte(0)
			if k.Existed {
				existed = 1
			}
			packed = append(packed, byte(k.Status), existed)
		}
		e.bytes(14, packed)
	}
	e.str(15, a.Detail)
	return e.b
}

// DecodeAnswer is the inverse of EncodeAnswer.
func DecodeAnswer(b []byte) (Answer, error) {
	a := Answer{VersionID: NullVersion}
	err := value("answer", b, MaxValue, a.field)
	if err == nil && a.Status == 0 {
		err = formatErr("answer", "no status")
	}
	return a, err
}

func (a *Answer) field(f field) error {
	switch f.num {
	case 1:
		return f.uint8((*uint8)(&a.Status))
	case 2:
		return f.uint((*uint64)(&a.Tablet))
	case 3:
		return f.uint(&a.Generation)
	case 4:
		return f.bytes(&a.Start, maxText)
	case 5:
		return f.bytes(&a.End, maxText)
	case 6:
		return f.sint(&a.Time)
	case 7:
		return f.uint(&a.Rev)
	case 8:
		return f.sint(&a.Modified)
	case 9:
		return f.str(&a.VersionID, maxName)
	case 10:
		return f.bool(&a.Existed)
	case 11:
		a.Bucket = &BucketRow{}
		return f.nested(f.what, a.Bucket.field)
	case 12:
		a.Record = &Record{}
		return f.nested(f.what, a.Record.field)
	case 13:
		return f.uint32(&a.Part)
	case 14:
		var packed []byte
		if err := f.raw(&packed, 2*MaxDeleteKeys); err != nil || len(packed)%2 != 0 {
			return f.bad("not key answers")
		}
		for ; len(packed) > 0; packed = packed[2:] {
			a.Keys = append(a.Keys, KeyAnswer{Status: Status(packed[0]), Existed: packed[1] == 1})
		}
		return nil
	case 15:
		return f.str(&a.Detail, maxText)
	}
	return nil
}
