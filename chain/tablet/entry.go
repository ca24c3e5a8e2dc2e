package tablet

// maxEntryRows bounds the rows of one entry: DeleteMany makes at most three a
// key, ReleaseDone two a part.
const maxEntryRows = 8 * MaxDeleteKeys

// maxBody bounds an entry's body: rows without the inline payload.
const maxBody = 8 << 20

// encodeRows gives an entry's body.
func encodeRows(r *Rows) []byte {
	e := newValue()
	for i := range r.Puts {
		p := &r.Puts[i]
		e.msg(1, func(e *enc) {
			e.bytes(1, p.Key)
			e.bytes(2, p.Value)
			e.bool(3, p.Payload)
		})
	}
	for _, d := range r.Deletes {
		e.bytes(2, d)
	}
	// Field 3, ranges to delete, is reserved: it comes with an incompatible flag.
	e.sint(4, r.Objects)
	e.sint(5, r.Bytes)
	return e.b
}

func decPut(p *Put, f field) error {
	switch f.num {
	case 1:
		return f.raw(&p.Key, maxText)
	case 2:
		return f.raw(&p.Value, MaxValue)
	case 3:
		return f.bool(&p.Payload)
	}
	return nil
}

// DecodeRows gives what an entry does to the rows; the slices alias body. An
// error (damage, or a format that this release does not know) stops the
// replica. Every key and the header of every value is checked, so that a
// replica stops before it applies what it cannot read later.
func DecodeRows(body []byte) (Rows, error) {
	var r Rows
	payloads := 0
	err := value("entry", body, maxBody, func(f field) error {
		switch f.num {
		case 1:
			if err := add(&r.Puts, maxEntryRows, f, decPut); err != nil {
				return err
			}
			p := &r.Puts[len(r.Puts)-1]
			if p.Payload {
				payloads++
			}
			return checkPut(p)
		case 2:
			var key []byte
			if err := f.raw(&key, maxText); err != nil {
				return err
			}
			if len(r.Deletes) >= maxEntryRows {
				return f.bad("too many rows")
			}
			r.Deletes = append(r.Deletes, key)
			_, err := parseRowKey(key)
			return err
		case 4:
			return f.sint(&r.Objects)
		case 5:
			return f.sint(&r.Bytes)
		}
		return nil
	})
	if err == nil && payloads > 1 {
		err = formatErr("entry", "%d payloads", payloads)
	}
	return r, err
}

// checkPut reports a row that this release cannot read.
func checkPut(p *Put) error {
	k, err := parseRowKey(p.Key)
	if err != nil {
		return err
	}
	if (k.kind == kindBody) != p.Payload {
		return formatErr("entry", "payload and %s do not belong together", k.kind)
	}
	if p.Payload {
		return nil
	}
	_, err = open(k.kind.String(), p.Value, MaxValue)
	return err
}
