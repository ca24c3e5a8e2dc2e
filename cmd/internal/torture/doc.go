// Package torture kills a real catena process, cuts the power of the file
// systems below it, and takes its directories away, under writers that
// remember what was acknowledged (package workload), and checks after each
// round that nothing acknowledged is lost and nothing half-written is visible.
package torture
