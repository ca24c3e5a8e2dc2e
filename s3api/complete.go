package s3api

import (
	"bytes"
	"context"
	"strconv"

	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

// maxCompleteBody is room for 10,000 parts with an ETag and a checksum each.
const maxCompleteBody = 4 << 20

func (a *API) completeUpload(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	c, err := a.completion(req)
	if err != nil {
		return nil, err
	}
	up, err := a.backend.Upload(ctx, req.Bucket, req.Key, req.UploadID)
	repeat := objects.KindOf(err) == objects.KindNoSuchUpload // perhaps completed already: Complete knows
	switch {
	case repeat:
	case err != nil:
		return nil, a.fail(req, err)
	default:
		if err := settleChecksums(req, up, &c); err != nil {
			return nil, err
		}
	}
	info, err := a.backend.Complete(ctx, c)
	if err != nil {
		return nil, a.fail(req, err)
	}
	if repeat {
		if err := sameChecksum(req, info, len(c.Parts)); err != nil {
			return nil, err
		}
	}
	doc := &s3xml.CompleteMultipartUpload{Location: location(req), Bucket: req.Bucket, Key: req.Key,
		ETag: info.ETag, Checksum: shown(info.Checksum, info.Parts)}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

// location is the address that the client used for the object.
func location(req *edge.Request) string {
	scheme := "http://"
	if req.TLS {
		scheme = "https://"
	}
	return scheme + req.Host + req.RawPath
}

// completion reads the request without knowing the upload.
func (a *API) completion(req *edge.Request) (objects.Complete, error) {
	c := objects.Complete{Bucket: req.Bucket, Key: req.Key, UploadID: req.UploadID, Size: -1}
	var err error
	if c.If, err = writeCondition(req); err != nil {
		return c, err
	}
	if v, ok := req.Header.Lookup("x-amz-mp-object-size"); ok {
		n, ok := digits(v)
		if !ok {
			return c, s3err.Newf(s3err.InvalidRequest, "Value for x-amz-mp-object-size header is invalid.")
		}
		c.Size = n
	}
	body, err := req.Body.ReadAll(maxCompleteBody)
	if err != nil {
		return c, err
	}
	if len(body) == 0 {
		return c, s3err.New(s3err.MalformedXML)
	}
	parts, err := s3xml.DecodeCompleteMultipartUpload(bytes.NewReader(body))
	if err != nil {
		return c, err
	}
	c.Parts, err = partList(parts)
	return c, err
}

func partList(parts []s3xml.CompletedPart) ([]objects.CompletePart, error) {
	out := make([]objects.CompletePart, len(parts))
	for i, p := range parts {
		switch {
		case p.PartNumber < 1 || p.PartNumber > s3xml.MaxParts:
			return nil, s3err.InvalidArg("partNumber", strconv.Itoa(p.PartNumber),
				"Part number must be an integer between 1 and 10000, inclusive")
		case i > 0 && p.PartNumber <= parts[i-1].PartNumber:
			return nil, s3err.New(s3err.InvalidPartOrder)
		}
		out[i] = objects.CompletePart{Number: p.PartNumber, ETag: p.ETag, Checksum: stored(p.Checksum)}
	}
	return out, nil
}

// settleChecksums checks what the client says of checksums against what its upload was
// started with.
func settleChecksums(req *edge.Request, up objects.Upload, c *objects.Complete) error {
	algorithm := algorithmOf(up.Algorithm)
	if err := partChecksums(algorithm, up, c.Parts); err != nil {
		return err
	}
	t, err := namedType(req)
	if err != nil {
		return err
	}
	typ := typeOf(up.ChecksumType)
	if algorithm == checksum.None {
		algorithm, typ = defaultAlgorithm, checksum.FullObject
	}
	if t != checksum.Unset && t != typ {
		return s3err.Newf(s3err.InvalidRequest, "The upload was created using the "+typ.String()+
			" checksum mode. The complete request must use the same checksum mode.")
	}
	c.Checksum, err = objectChecksum(req, algorithm, typ, len(c.Parts))
	return err
}

// sameChecksum compares the object's checksum that a repeated completion sent with the
// object's: its upload, which says how to read it, is gone.
func sameChecksum(req *edge.Request, info objects.Info, parts int) error {
	have := info.Checksum
	if have.Value == "" {
		return nil
	}
	sent, err := objectChecksum(req, algorithmOf(have.Algorithm), typeOf(have.Type), parts)
	if err == nil && sent.Value != "" && sent.Value != have.Value {
		return s3err.New(s3err.BadDigest)
	}
	return err
}

func partChecksums(algorithm checksum.Algorithm, up objects.Upload, parts []objects.CompletePart) error {
	for i := range parts {
		sent := algorithmOf(parts[i].Checksum.Algorithm)
		switch {
		case algorithm == checksum.None:
			// Only the default is stored of such an upload's parts; the ETag, which is their MD5,
			// identifies them.
			if sent != defaultAlgorithm {
				parts[i].Checksum = objects.Checksum{}
			}
		case sent == checksum.None && up.ChecksumType == objects.Composite:
			return s3err.Newf(s3err.InvalidRequest, "The upload was created using a "+lower(algorithm.String())+
				" checksum. The complete request must include the checksum for each part. It was missing for part "+
				strconv.Itoa(parts[i].Number)+" in the request.")
		case sent != checksum.None && sent != algorithm:
			return s3err.New(s3err.InvalidPart).With("PartNumber", strconv.Itoa(parts[i].Number))
		}
	}
	return nil
}

// objectChecksum reads the x-amz-checksum-* header of a completion: it is of the object,
// not of the body.
func objectChecksum(req *edge.Request, algorithm checksum.Algorithm, typ checksum.Type, parts int) (objects.Checksum, error) {
	for _, a := range checksum.All() {
		text, ok := req.Header.Lookup(a.Header())
		if !ok {
			continue
		}
		if a != algorithm {
			return objects.Checksum{}, typeMismatch(algorithm, a)
		}
		v, err := checksum.ParseText(a, text)
		if err != nil {
			return objects.Checksum{}, s3err.Newf(s3err.InvalidRequest, "Value for "+a.Header()+" header is invalid.")
		}
		if v.Parts > 0 && (typ != checksum.Composite || v.Parts != parts) {
			return objects.Checksum{}, s3err.New(s3err.BadDigest)
		}
		v.Type = typ
		return stored(v), nil
	}
	return objects.Checksum{}, nil
}
