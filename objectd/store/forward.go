package store

import (
	"errors"
	"log/slog"
	"slices"

	"catena/chain"
)

// forwardOldest writes the live records of the oldest segment forward, when at
// least half of the ended segments is dead. So the log is at most about twice as
// long as what is live in it, and a byte is on average written at most once more.
//
// A copy keeps the rev and the number of the first writing, and is written only
// while its row is the newest that the log has: not replaced in the rows, and
// not touched by an entry that waits to be applied. Otherwise the record that
// deletes the row could stand before the copy, and be freed before it, and a
// rebuild would bring the row back.
func (m *maintenance) forwardOldest(old []*segment, live map[uint64]liveness) error {
	var size, used int64
	for _, g := range old {
		size += g.length()
		used += live[g.inc].bytes
	}
	if len(old) < m.s.cfg.forwardFrom || used > size/2 || old[0].inc <= m.stuck || m.s.Starving() {
		return nil
	}
	recs, err := m.collect(old[0])
	if err != nil {
		return m.s.readError("collect live records", Key{}, err)
	}
	for len(recs) > 0 {
		n, bytes := 0, int64(0)
		for n < len(recs) && bytes < min(maxBatch, m.s.cfg.SegmentSize/4) {
			bytes += recs[n].size()
			n++
		}
		if err := m.s.log.appendAlone(recs[:n]); err != nil {
			return err
		}
		recs = recs[n:]
	}
	m.scanAt = 0
	m.kick()
	return nil
}

// collect makes records of everything that points into a segment.
func (m *maintenance) collect(g *segment) ([]Record, error) {
	var recs []Record
	var page *Record // being filled
	room := int64(0)
	snap := m.s.rows.db.NewSnapshot()
	err := eachPointer(snap, func(key, v []byte, inc uint64, size int64) error {
		if inc != g.inc {
			return nil
		}
		k, sub, rest, ok := parseReplicaKey(key)
		if !ok {
			q, err := parseAsideRow(key, v)
			recs = append(recs, Record{key: q.Key, kind: recAside, chain: chain.KindData, aside: &asideRecord{chunk: q.chunk, why: q.Why}, first: q.No, make: m.s.stillAside})
			return err
		}
		m.s.replicasMu.RLock()
		rep := m.s.replicas[k]
		m.s.replicasMu.RUnlock()
		if rep == nil {
			return nil // dropped meanwhile
		}
		if sub == subChunks {
			c, _, first, err := parseChunkRow(v)
			kind := recSeal
			if err == nil && c.clone {
				kind = recClone
			}
			recs = append(recs, Record{key: k, kind: kind, chain: chain.KindData, rep: rep, chunk: c, first: first, make: m.s.stillChunk})
			return err
		}
		row, err := m.s.copyRow(k, rest, v)
		if err != nil {
			m.stuck = g.inc
			m.s.cfg.Logger.Error("a live record cannot be read; its segment is kept", slog.String("segment", segName(g.slot)), slog.Any("error", err))
			return nil
		}
		if room -= size + 64; page == nil || page.key != k || room < 0 {
			room = min(maxBatch, m.s.cfg.SegmentSize/4) - size
			recs = append(recs, Record{key: k, kind: recPage, chain: chain.KindIndex, rep: rep, page: &pageRecord{}, first: row.first, make: m.s.stillRows})
			page = &recs[len(recs)-1]
		}
		page.page.rows = append(page.page.rows, row)
		return nil
	})
	return recs, errors.Join(err, snap.Close())
}

func (s *Store) copyRow(k Key, key, v []byte) (pageRow, error) {
	h, rest, err := parseRowHead(v)
	row := pageRow{key: slices.Clone(key), rev: h.rev, first: h.first}
	if err != nil {
		return row, err
	}
	if h.tag == tagValue {
		row.value = slices.Clone(rest)
		return row, nil
	}
	row.hasPayload = true
	row.payload, err = s.payload(k, h, slices.Clone(rest))
	return row, err
}

// stillRows runs in the writer, when everything before the copies is settled.
// It keeps those that are still the newest image in the log.
func (s *Store) stillRows(r *Record) {
	r.rep.mu.Lock()
	pending := slices.Clone(r.rep.pending)
	dropped := r.rep.dropped
	r.rep.mu.Unlock()
	touched := map[string]bool{}
	for _, p := range pending {
		rows, err := s.cfg.DecodeRows(p.entry.Body)
		if err != nil {
			dropped = true // unknown rows: nothing of this replica is copied
			break
		}
		for i := range rows.Puts {
			touched[string(rows.Puts[i].Key)] = true
		}
		for _, d := range rows.Deletes {
			touched[string(d)] = true
		}
	}
	r.page.rows = slices.DeleteFunc(r.page.rows, func(p pageRow) bool {
		if dropped || touched[string(p.key)] {
			return true
		}
		same, err := s.sameRow(append(replicaKey(r.key, subRows), p.key...), rowHead{rev: p.rev, first: p.first})
		return err != nil || !same
	})
}

// stillChunk is the same for a chunk. A removal is settled or behind; a chunk
// that is gone is copied as nothing.
func (s *Store) stillChunk(r *Record) {
	same, err := s.sameChunk(chunkRowKey(r.key, r.chunk.header.ID), r.first)
	if err != nil || !same {
		r.kind, r.page, r.chunk = recPage, &pageRecord{}, nil
	}
}

// sameChunk reports whether the chunk is there, by the record first written then.
func (s *Store) sameChunk(key []byte, first uint64) (bool, error) {
	var f uint64
	there, err := s.row(key, func(v []byte) (err error) { _, _, f, err = parseChunkRow(v); return err })
	return there && f == first, err
}
