package chaintest

// Scopes are what is explored.
var Scopes = []Scope{
	{Name: "two", Serving: 2, Replicas: 2, MinAck: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 1, Link: 3},
	{Name: "three", Serving: 3, Replicas: 3, MinAck: 2, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Strays: 0, Ticks: 1, Pass: []int{21}, Link: 3, Remove: "ABC"},
}
