package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ksqldb reads the copies of the other sites' topics that are there when it starts, and none that come later: that is what
// it must be restarted for. /streams tells which they are, and how many records it has read.
func ksqldb(ctx context.Context, _ []string) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	copies := regexp.MustCompile("^(" + strings.Join(s.others(), "|") + `)\.` + topic + "$")
	var streams atomic.Pointer[[]string]
	var records atomic.Int64
	mux := http.NewServeMux()
	healthz(mux, func() error {
		if streams.Load() == nil {
			return errors.New("the broker was not reached yet")
		}
		return nil
	})
	mux.HandleFunc("GET /streams", func(w http.ResponseWriter, _ *http.Request) {
		topics := []string{}
		if found := streams.Load(); found != nil {
			topics = *found
		}
		answer(w, http.StatusOK, map[string]any{"site": s.site, "topics": topics, "records": records.Load()})
	})
	go func() {
		found, err := s.topicsNow(ctx, copies)
		if err != nil {
			return // it was stopped
		}
		streams.Store(&found)
		log.Printf("streams: %q", found)
		if err := consume(ctx, s.site, found, &records); err != nil {
			log.Print(err)
		}
	}()
	return serve(ctx, mux)
}

// topicsNow are the topics there are once the broker answers.
func (s settings) topicsNow(ctx context.Context, wanted *regexp.Regexp) (found []string, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker(s.site)))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	err = until(ctx, time.Second, func() error {
		topics, err := kadm.NewClient(client).ListTopics(ctx)
		if err != nil {
			return err
		}
		found = []string{} // and not null
		for _, name := range topics.Names() {
			if wanted.MatchString(name) {
				found = append(found, name)
			}
		}
		return nil
	})
	return found, err
}

func consume(ctx context.Context, site string, topics []string, records *atomic.Int64) error {
	if len(topics) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker(site)), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		records.Add(int64(client.PollFetches(ctx).NumRecords()))
	}
	return nil
}
