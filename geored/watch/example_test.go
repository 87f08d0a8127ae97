package watch_test

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/watch"
)

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	up := true
	check := geored.Check{ID: "site/reachable", Title: "the site answers", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (bool, error) { return up, nil })
		up = false // it goes down after the first round
		return answers.Each(func(_ geored.Target, up bool) geored.Finding {
			if up {
				return geored.Finding{Verdict: geored.Pass, Message: "it answers"}
			}
			return geored.Finding{Verdict: geored.Fail, Message: "it refuses", Remedy: "start it"}
		})
	}}
	w := watch.New(watch.Config{Every: time.Millisecond,
		Checks: func(context.Context) ([]geored.Check, func(), error) { return []geored.Check{check}, nil, nil },
		Observer: func(e watch.Event) {
			fmt.Println(e.Kind, e.Check, e.Site, e.Verdict, e.Message)
			if e.Kind == watch.Changed {
				stop()
			}
		}})
	fmt.Println(w.Run(ctx))
	// Output:
	// first site/reachable dc1 pass it answers
	// changed site/reachable dc1 fail it refuses
	// context canceled
}
