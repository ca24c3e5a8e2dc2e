package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/cmd/internal/config"
)

// A first start whose address was taken left directories with an identity and
// keys behind.
func TestAStartWithoutItsAddressesLeavesNothing(t *testing.T) {
	var taken [2]string
	for i := range taken {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		taken[i] = ln.Addr().String()
	}
	const free = "127.0.0.1:0"
	for name, tt := range map[string]struct {
		s3, admin string
		want      []string
	}{
		"S3":    {taken[0], free, []string{"S3 listener " + taken[0]}},
		"admin": {free, taken[0], []string{"admin listener " + taken[0]}},
		"both":  {taken[0], taken[1], []string{"S3 listener " + taken[0], "admin listener " + taken[1]}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			empty := filepath.Join(root, "empty")
			require.NoError(t, os.Mkdir(empty, 0o700))
			code, _, stderr := command(t, nil, "server", "--s3", tt.s3, "--admin", tt.admin, filepath.Join(root, "new", "d1"), empty)
			require.Equal(t, exitFailed, code)
			for _, want := range tt.want {
				require.Contains(t, stderr, want)
			}
			require.Contains(t, stderr, "address already in use")
			require.NoDirExists(t, filepath.Join(root, "new"))
			left, err := os.ReadDir(empty)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestCheckedAddressesAreFreeAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	c := config.Config{S3: []string{addr}, Admin: "127.0.0.1:0"}
	require.NoError(t, checkAddresses(c))
	require.NoError(t, checkAddresses(c))
	c.Admin = addr
	require.ErrorContains(t, checkAddresses(c), addr, "one address for two listeners")
}
