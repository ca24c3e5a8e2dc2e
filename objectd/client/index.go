package client

import (
	"context"

	"catena/chain"
	"catena/chain/tablet"
)

// Do carries a command to the head of the tablet that owns the key, and tries
// again until the context ends when nothing was done or a try was lost (then
// as a repeat). The error is a *chain.Refusal: RefusedUnknown if a try may
// still take effect, any other kind promises that nothing was done.
func (c *Client) Do(ctx context.Context, owner []byte, cmd tablet.Command) (tablet.Answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	tries := tablet.Tries{Sent: cmd.Repeat}
	var wait backoff
	var last error
	var at chain.ChainID
	for {
		t, cfg, err := c.tabletOf(owner)
		if err == nil {
			at = t.Chain
			try := tries.Next(cmd)
			try.Tablet, try.Generation = t.ID, t.Generation
			var answer tablet.Answer
			answer, err = c.propose(ctx, cfg, &try)
			switch {
			case err != nil:
				tries.Failed(err)
			case answer.Status == tablet.RefusedTablet:
				err = &chain.Refusal{Kind: chain.RefusedNotReady, Chain: at, Newest: cfg, Detail: "the tablet's range changed"}
			case !tries.Final(try, &answer):
				return tablet.Answer{}, unknown(at, answer.Status)
			default:
				return answer, nil
			}
			if final(err) && !tries.Sent {
				return tablet.Answer{}, err
			}
		}
		last = err
		if !wait.wait(ctx) {
			break
		}
	}
	if tries.Sent {
		return tablet.Answer{}, unknown(at, last)
	}
	return tablet.Answer{}, ended(at, last)
}

// propose is one try; a try that has no answer in time is lost.
func (c *Client) propose(ctx context.Context, cfg chain.Config, cmd *tablet.Command) (tablet.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.tryFor)
	defer cancel()
	return c.node.Propose(ctx, cfg.Chain, cfg.Head(), cmd)
}

// Query asks the tail of the tablet that owns the key, and tries again until
// the context ends. The error is a *chain.Refusal.
func (c *Client) Query(ctx context.Context, owner []byte, q tablet.Query) (tablet.Result, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var wait backoff
	var at chain.ChainID
	for {
		t, cfg, err := c.tabletOf(owner)
		if err == nil {
			at = t.Chain
			q.Tablet, q.Generation = t.ID, t.Generation
			var res tablet.Result
			res, err = c.node.Query(cfg.Chain, cfg.Tail(), &q)
			if err == nil && res.Status != tablet.RefusedTablet {
				return res, nil
			}
			if err == nil {
				err = &chain.Refusal{Kind: chain.RefusedNotReady, Chain: at, Newest: cfg, Detail: "the tablet's range changed"}
			}
		}
		if !wait.wait(ctx) {
			return tablet.Result{}, ended(at, err)
		}
	}
}
