package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Client puts questions to one probe.
type Client interface {
	// Ask runs the probe's program with the given arguments and input and gives what it printed. An error means that
	// the probe could not be asked.
	Ask(ctx context.Context, arguments []string, input []byte) (output []byte, err error)
}

// Question is something a probe can be asked. Each has a name of its own.
type Question[A any] interface {
	question() string
	answer(context.Context) (A, error)
}

// reply is what a probe prints.
type reply struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  string          `json:"error,omitempty"`
	Absent bool            `json:"absent,omitempty"` // what was asked about is not there
}

// RemoteError is what went wrong at the probe: the question was understood, and this is why it has no answer. It is an
// [fs.ErrNotExist] when what was asked about is not there.
type RemoteError struct {
	Message string
	Absent  bool
}

func (e *RemoteError) Error() string { return e.Message }

// Is says whether what was asked about is not there, for [fs.ErrNotExist].
func (e *RemoteError) Is(target error) bool { return e.Absent && target == fs.ErrNotExist }

// Ask puts a question to a probe.
func Ask[A any](ctx context.Context, client Client, q Question[A]) (A, error) {
	return AskNamed[A](ctx, client, q.question(), q)
}

// AskNamed puts a question that the probe knows by name and that has no type in this package.
func AskNamed[A any](ctx context.Context, client Client, name string, question any) (A, error) {
	var answer A
	input, err := json.Marshal(question)
	if err != nil {
		return answer, fmt.Errorf("probe %s: %w", name, err)
	}
	output, err := client.Ask(ctx, []string{"ask", name}, input)
	if err != nil {
		return answer, fmt.Errorf("probe %s: %w", name, err)
	}
	var r reply
	if err := json.Unmarshal(output, &r); err != nil {
		return answer, fmt.Errorf("probe %s: the reply is not what a probe prints: %w", name, err)
	}
	if r.Error != "" {
		return answer, fmt.Errorf("probe %s: %w", name, &RemoteError{r.Error, r.Absent})
	}
	if len(r.Answer) == 0 {
		return answer, fmt.Errorf("probe %s: the reply holds no answer", name)
	}
	if err := json.Unmarshal(r.Answer, &answer); err != nil {
		return answer, fmt.Errorf("probe %s: %w", name, err)
	}
	return answer, nil
}

// Handler answers one question, given as JSON.
type Handler func(ctx context.Context, question []byte) (answer any, err error)

// HandlerOf makes a handler of a question's type.
func HandlerOf[Q Question[A], A any]() (name string, h Handler) {
	var zero Q
	return zero.question(), HandlerFunc(func(ctx context.Context, q Q) (A, error) { return q.answer(ctx) })
}

// HandlerFunc makes a handler of a function from a question to its answer.
func HandlerFunc[Q, A any](f func(context.Context, Q) (A, error)) Handler {
	return func(ctx context.Context, text []byte) (any, error) {
		var q Q
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&q); err != nil {
			return nil, fmt.Errorf("question: %w", err)
		}
		return f(ctx, q)
	}
}

// Questions are the handlers of all questions of this package.
func Questions() map[string]Handler {
	handlers := map[string]Handler{}
	add := func(name string, h Handler) { handlers[name] = h }
	add(HandlerOf[Clock]())
	add(HandlerOf[TCP]())
	add(HandlerOf[HTTP]())
	add(HandlerOf[DNS]())
	add(HandlerOf[PathMTU]())
	add(HandlerOf[Bulk]())
	add(HandlerOf[Echo]())
	add(HandlerOf[Link]())
	return handlers
}

// maxQuestion is more than any question needs.
const maxQuestion = 1 << 20

// Serve answers the one question that stands on input, by its name, and writes the reply to output. The error says only
// that the reply could not be written.
func Serve(ctx context.Context, handlers map[string]Handler, name string, input io.Reader, output io.Writer) error {
	text, err := io.ReadAll(io.LimitReader(input, maxQuestion+1))
	if err == nil && len(text) > maxQuestion {
		err = errors.New("the question is too long")
	}
	r := reply{}
	if err != nil {
		r.Error = err.Error()
	} else {
		r = replyTo(ctx, handlers, name, text)
	}
	return json.NewEncoder(output).Encode(r)
}

func unknownQuestion(name string) string { return fmt.Sprintf("no question is called %q", name) }

// replyTo answers with an error also when a handler panics: others were asked with it.
func replyTo(ctx context.Context, handlers map[string]Handler, name string, question []byte) (r reply) {
	defer func() {
		if cause := recover(); cause != nil {
			r = reply{Error: fmt.Sprintf("it panicked: %v", cause)}
		}
	}()
	answer, err := handle(ctx, handlers, name, question)
	if err == nil {
		r.Answer, err = json.Marshal(answer)
	}
	if err != nil {
		return reply{Error: err.Error(), Absent: errors.Is(err, fs.ErrNotExist)}
	}
	return r
}

func handle(ctx context.Context, handlers map[string]Handler, name string, question []byte) (any, error) {
	if name == several {
		return answerSeveral(ctx, handlers, question)
	}
	handler, ok := handlers[name]
	if !ok {
		return nil, errors.New(unknownQuestion(name))
	}
	return handler(ctx, question)
}

// Local is a client that answers on the spot, in this process: for tests, and for programs that run inside a site.
type Local map[string]Handler

// Ask answers with the handlers of the map.
func (l Local) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if len(arguments) != 2 || arguments[0] != "ask" {
		return nil, fmt.Errorf("probe: arguments %q", arguments)
	}
	var output bytes.Buffer
	err := Serve(ctx, l, arguments[1], bytes.NewReader(input), &output)
	return output.Bytes(), err
}
