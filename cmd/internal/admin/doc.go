// Package admin is the second listener: health, metrics, profiling.
//
//	GET /healthz        200 while the process lives
//	GET /readyz         200 when requests can be served, else 503 with the reason
//	GET /metrics        Prometheus text
//	GET /debug/pprof/   only while the listener is on a loopback address
//
// It is on net/http, apart from S3 traffic, and has short deadlines of its own:
// a probe must not wait behind anything. Ready is asked at each /readyz, with a
// deadline, by one caller at a time; the others get the same answer.
package admin
