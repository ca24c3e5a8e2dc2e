package main

import (
	"errors"
	"fmt"
	"net"

	"catena/cmd/internal/config"
)

// checkAddresses makes sure, before anything is made on disk, that every address
// can be listened on, all at the same time: a first start that cannot serve must
// leave no directory with an identity and keys behind. Nothing stays bound: until
// its part starts, an address refuses connections rather than hold them. So an
// address that is taken in between is met only there.
func checkAddresses(c config.Config) error {
	var errs []error
	try := func(what, addr string) net.Listener {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", what, addr, err))
			return nil
		}
		return ln
	}
	lns := []net.Listener{try("admin listener", c.Admin)}
	for _, addr := range c.S3 {
		lns = append(lns, try("S3 listener", addr))
	}
	for _, ln := range lns {
		if ln != nil {
			_ = ln.Close() // nothing was accepted on it
		}
	}
	return errors.Join(errs...)
}
