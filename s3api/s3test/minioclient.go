package s3test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

// testMinioClient goes through a client library as programs use it.
func testMinioClient(t *testing.T, s *suite) {
	ctx := context.Background()
	b := s.name()
	require.NoError(t, s.minio.MakeBucket(ctx, b, minio.MakeBucketOptions{}))
	t.Cleanup(func() { s.remove(t, b) })
	ok, err := s.minio.BucketExists(ctx, b)
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = s.minio.BucketExists(ctx, s.name())
	require.NoError(t, err)
	require.False(t, ok)

	size := 33 << 20
	if s.Small {
		size = 11 << 20
	}
	data := pattern(size, 42)
	t.Run("put of known and unknown size", func(t *testing.T) {
		for name, size := range map[string]int64{"known": int64(len(data)), "unknown": -1} {
			for sums, opts := range map[string]minio.PutObjectOptions{
				"": {PartSize: 5 << 20}, "-md5": {PartSize: 5 << 20, SendContentMd5: true},
				"-crc": {PartSize: 5 << 20, Checksum: minio.ChecksumFullObjectCRC32C}, "-sha": {PartSize: 5 << 20, Checksum: minio.ChecksumSHA256},
				"-nvme": {PartSize: 5 << 20, Checksum: minio.ChecksumCRC64NVME}, "-threads": {PartSize: 5 << 20, NumThreads: 4},
			} {
				_, err := s.minio.PutObject(ctx, b, name+sums, bytes.NewReader(data), size, opts)
				require.NoError(t, err, name+sums)
				s.sameByClient(t, b, name+sums, data)
			}
		}
	})
	t.Run("small puts", func(t *testing.T) {
		for _, opts := range []minio.PutObjectOptions{{}, {SendContentMd5: true}, {Checksum: minio.ChecksumCRC32}, {DisableMultipart: true},
			{UserMetadata: map[string]string{"name": "value"}, ContentType: "text/plain"}} {
			_, err := s.minio.PutObject(ctx, b, "small", bytes.NewReader(data[:1000]), 1000, opts)
			require.NoError(t, err)
			s.sameByClient(t, b, "small", data[:1000])
		}
		info, err := s.minio.StatObject(ctx, b, "small", minio.StatObjectOptions{})
		require.NoError(t, err)
		require.Equal(t, "value", info.UserMetadata["Name"])
		require.Equal(t, "text/plain", info.ContentType)
	})
	testMinioRest(t, s, b, data)
}

// testMinioRest goes on with the objects that testMinioClient made.
func testMinioRest(t *testing.T, s *suite, b string, data []byte) {
	ctx := context.Background()
	t.Run("seeks", func(t *testing.T) {
		o, err := s.minio.GetObject(ctx, b, "known", minio.GetObjectOptions{})
		require.NoError(t, err)
		defer o.Close()
		buf := make([]byte, 100_000)
		for _, off := range []int64{7 << 20, 0, 5<<20 - 50_000, int64(len(data)) - 100_000} {
			_, err := o.ReadAt(buf, off)
			if err != io.EOF {
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(data[off:off+100_000], buf))
		}
	})
	t.Run("compose and copy", func(t *testing.T) {
		info, err := s.minio.ComposeObject(ctx, minio.CopyDestOptions{Bucket: b, Object: "composed"},
			minio.CopySrcOptions{Bucket: b, Object: "known"}, minio.CopySrcOptions{Bucket: b, Object: "small"})
		require.NoError(t, err)
		require.NotEmpty(t, info.ETag)
		s.sameByClient(t, b, "composed", append(bytes.Clone(data), data[:1000]...))
		_, err = s.minio.CopyObject(ctx, minio.CopyDestOptions{Bucket: b, Object: "copied"}, minio.CopySrcOptions{Bucket: b, Object: "composed"})
		require.NoError(t, err)
		s.sameByClient(t, b, "copied", append(bytes.Clone(data), data[:1000]...))
	})
	t.Run("presigned", func(t *testing.T) {
		u, err := s.minio.PresignedGetObject(ctx, b, "small", time.Minute, nil)
		require.NoError(t, err)
		resp, err := s.http.Get(u.String())
		require.NoError(t, err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[:1000], got))
	})
	t.Run("list and remove", func(t *testing.T) {
		var names []minio.ObjectInfo
		for o := range s.minio.ListObjects(ctx, b, minio.ListObjectsOptions{Recursive: true}) {
			require.NoError(t, o.Err)
			names = append(names, o)
		}
		require.Len(t, names, 15)
		todo := make(chan minio.ObjectInfo, len(names))
		for _, o := range names {
			todo <- o
		}
		close(todo)
		for e := range s.minio.RemoveObjects(ctx, b, todo, minio.RemoveObjectsOptions{}) {
			require.NoError(t, e.Err)
		}
		for o := range s.minio.ListObjects(ctx, b, minio.ListObjectsOptions{Recursive: true}) {
			t.Errorf("%s is still there", o.Key)
		}
	})
}

// sameByClient compares an object with what it should be.
func (s *suite) sameByClient(t testing.TB, b, key string, want []byte) {
	t.Helper()
	o, err := s.minio.GetObject(context.Background(), b, key, minio.GetObjectOptions{})
	require.NoError(t, err)
	defer o.Close()
	got, err := io.ReadAll(o)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}
