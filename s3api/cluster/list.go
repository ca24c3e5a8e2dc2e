package cluster

import (
	"bytes"
	"context"
	"encoding/hex"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// List implements objects.Backend: an ordered scan at the tails, one tablet
// after the other. One more than asked for is looked for, to know whether the
// page is the last.
func (c *Cluster) List(ctx context.Context, l objects.List) (objects.Page, error) {
	r := c.request("list", l.Bucket, "")
	var page objects.Page
	w := &listing{r: r, key: max(l.Prefix, l.After)}
	count, after := 0, l.After
	for {
		res, err := w.ask(ctx, tablet.AskList{Prefix: l.Prefix, Delimiter: l.Delimiter, After: after, Max: l.Max + 1 - count})
		if err != nil {
			return page, err
		}
		for _, it := range res.List.Items {
			if count == l.Max {
				page.Next = after
				return page, nil
			}
			count++
			after = it.Key
			if it.Object == nil {
				page.Prefixes = append(page.Prefixes, it.Key)
			} else {
				page.Objects = append(page.Objects, infoOfRow(l.Bucket, it.Key, it.Object, nil))
			}
		}
		if res.List.More { // the bound of rows stepped over: the page ends early
			page.Next = res.List.Next
			return page, nil
		}
		if res.List.Done || !w.next(&res) {
			return page, nil
		}
	}
}

// listing walks over the tablets of a bucket, by the ranges that answer.
type listing struct {
	r   *request
	ref *bucketRef
	key string
}

func (w *listing) ask(ctx context.Context, a tablet.Ask) (res tablet.Result, err error) {
	var ref bucketRef
	q := tablet.Query{Key: w.key, Ask: a}
	if w.ref == nil {
		res, ref, err = w.r.query(ctx, q)
	} else {
		res, ref, err = w.r.queryIn(ctx, *w.ref, q)
	}
	w.ref = &ref
	if err == nil && res.Status != tablet.StatusOK {
		err = w.r.fail(objects.KindInternal, "", errUnexpected(res.Status))
	}
	return res, err
}

// next goes to the tablet behind the one that answered; false if it was the
// bucket's last.
func (w *listing) next(res *tablet.Result) bool {
	id := w.ref.id
	if !bytes.HasPrefix(res.End, id[:]) {
		return false
	}
	w.key = string(res.End[len(id):])
	return true
}

func idText(id chain.ID128) string { return hex.EncodeToString(id[:]) }

// ListUploads implements objects.Backend.
func (c *Cluster) ListUploads(ctx context.Context, l objects.ListUploads) (objects.UploadPage, error) {
	r := c.request("list uploads", l.Bucket, "")
	var page objects.UploadPage
	afterKey, afterID := l.AfterKey, chain.ID128{}
	if id, err := chain.ParseID128(l.AfterUpload); err == nil {
		afterID = id
	}
	w := &listing{r: r, key: max(l.Prefix, l.AfterKey)}
	count := 0
	for {
		res, err := w.ask(ctx, tablet.AskUploads{
			Prefix: l.Prefix, Delimiter: l.Delimiter, AfterKey: afterKey, AfterID: afterID, Max: l.Max + 1 - count,
		})
		if err != nil {
			return page, err
		}
		for _, it := range res.Uploads.Items {
			if count == l.Max {
				return truncated(page, afterKey, afterID), nil
			}
			count++
			afterKey, afterID = it.Key, it.ID
			if it.Upload == nil {
				page.Prefixes = append(page.Prefixes, it.Key)
			} else {
				page.Uploads = append(page.Uploads, uploadOfRow(l.Bucket, it.Key, it.ID, it.Upload))
			}
		}
		if res.Uploads.More {
			return truncated(page, res.Uploads.NextKey, res.Uploads.NextID), nil
		}
		if res.Uploads.Done || !w.next(&res) {
			return page, nil
		}
	}
}

func truncated(p objects.UploadPage, key string, id chain.ID128) objects.UploadPage {
	p.Truncated, p.NextKey = true, key
	if !id.IsZero() {
		p.NextUpload = idText(id)
	}
	return p
}
