package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic  = "messages"
	index  = "messages"
	bucket = "files"
)

// platform is the application at work: it writes to the stores of its own site alone, and files what the other sites'
// records tell of in its own search server.
type platform struct {
	settings
	ring    *gocql.Session
	broker  *kgo.Client
	objects *minio.Client
	version string
}

// platformServices answers
//
//	/write?n=N    writes N messages, each to all stores, and tells their names and which failed
//	/message?id=  what each store has of one
//	/counts       how many each store has
//	/healthz      200 once all stores of the site were reached
func platformServices(ctx context.Context, _ []string) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	p := &platform{settings: s, version: os.Getenv("VERSION")}
	var ready atomic.Bool
	mux := http.NewServeMux()
	healthz(mux, func() error {
		if !ready.Load() {
			return errors.New("not all stores were reached yet")
		}
		return nil
	})
	once := func(handle http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !ready.Load() {
				http.Error(w, "not all stores were reached yet", http.StatusServiceUnavailable)
				return
			}
			handle(w, r)
		}
	}
	mux.HandleFunc("/write", once(p.serveWrite))
	mux.HandleFunc("/message", once(p.serveMessage))
	mux.HandleFunc("/counts", once(p.serveCounts))
	go func() {
		if until(ctx, time.Second, func() error { return p.open(ctx) }) == nil {
			ready.Store(true)
			p.follow(ctx)
		}
	}()
	return serve(ctx, mux)
}

// open reaches every store, those that are reached already not again.
func (p *platform) open(ctx context.Context) (err error) {
	if p.broker == nil {
		if p.broker, err = kgo.NewClient(kgo.SeedBrokers(broker(p.site)), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
			kgo.RecordDeliveryTimeout(20*time.Second), kgo.MetadataMinAge(time.Second)); err != nil {
			return err
		}
	}
	created, err := kadm.NewClient(p.broker).CreateTopic(ctx, 3, 1, nil, topic)
	if err != nil && !errors.Is(created.Err, kerr.TopicAlreadyExists) {
		return err
	}
	if p.objects == nil {
		if p.objects, err = minio.New(objects(p.site), &minio.Options{Creds: credentials.NewStaticV4(os.Getenv("MINIO_USER"), os.Getenv("MINIO_PASSWORD"), "")}); err != nil {
			return err
		}
	}
	if there, err := p.objects.BucketExists(ctx, bucket); err != nil || !there {
		return errors.Join(err, errors.New("bucket files is not there"))
	}
	if err := makeIndex(); err != nil {
		return err
	}
	if p.ring == nil {
		if p.ring, err = dialRing(p.site, ownLogin()); err != nil {
			return err
		}
	}
	return p.ring.Query("SELECT id FROM dev.message LIMIT 1").WithContext(ctx).Exec()
}

func (p *platform) serveWrite(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 || n > 10_000 {
		http.Error(w, "n: want a number from 1 to 10000", http.StatusBadRequest)
		return
	}
	written, failed := p.write(r.Context(), n)
	status := http.StatusOK
	if len(failed) > 0 {
		status = http.StatusInternalServerError
	}
	answer(w, status, map[string]any{"site": p.site, "written": written, "failed": failed})
}

// serveMessage tells what each store has of a message; one that did not answer says so.
func (p *platform) serveMessage(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	m, err := p.row(r.Context(), id)
	all := map[string]any{"site": p.site, "row": outcome(m, err, errors.Is(err, gocql.ErrNotFound))}
	info, err := p.objects.StatObject(r.Context(), bucket, objectKey(id), minio.StatObjectOptions{})
	all["object"] = outcome(map[string]any{"size": info.Size, "etag": info.ETag}, err, minio.ToErrorResponse(err).Code == minio.NoSuchKey)
	document, err := getDocument(id)
	all["document"] = outcome(document, err, isMissing(err))
	answer(w, http.StatusOK, all)
}

func outcome(found any, err error, missing bool) any {
	switch {
	case missing:
		return nil
	case err != nil:
		return map[string]string{"error": err.Error()}
	}
	return found
}

func (p *platform) serveCounts(w http.ResponseWriter, r *http.Request) {
	counts := map[string]int{}
	var rows int
	err := p.ring.Query("SELECT count(*) FROM dev.message").WithContext(r.Context()).Scan(&rows)
	counts["rows"] = rows
	for object := range p.objects.ListObjects(r.Context(), bucket, minio.ListObjectsOptions{Prefix: objectKey(""), Recursive: true}) {
		err = errors.Join(err, object.Err)
		counts["objects"]++
	}
	documents, more := countDocuments()
	counts["documents"] = documents
	if err = errors.Join(err, more); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, http.StatusOK, map[string]any{"site": p.site, "counts": counts})
}

// follow files what the other sites' records tell of, for ever. A record is taken once its document is filed.
func (p *platform) follow(ctx context.Context) {
	var topics []string
	for _, site := range p.others() {
		topics = append(topics, site+"."+topic)
	}
	if len(topics) == 0 {
		return
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(broker(p.site)), kgo.ConsumerGroup("platform-services-"+p.site), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.MetadataMinAge(time.Second), kgo.MetadataMaxAge(5*time.Second))
	if err != nil {
		return // the addresses are this program's own
	}
	defer reader.Close()
	for ctx.Err() == nil {
		fetched := reader.PollFetches(ctx)
		for record := range fetched.RecordsAll() {
			var m message
			if json.Unmarshal(record.Value, &m) != nil {
				continue // a canary, or something else that is none of ours
			}
			if until(ctx, time.Second, func() error { return putDocument(m) }) != nil {
				return
			}
		}
		if err := reader.CommitUncommittedOffsets(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
		}
	}
}
