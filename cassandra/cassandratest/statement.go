package cassandratest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// statement is a SELECT, as far as this package understands it, or one of three others.
type statement struct {
	alters          map[string]string // ALTER KEYSPACE: the replication it gives; nil: none
	truncates       bool              // TRUNCATE
	deletes         bool              // DELETE FROM table WHERE
	keyspace, table string
	items           []item // none: all columns
	conditions      []condition
}

// item is one thing selected: a column, or a function of columns.
type item struct {
	function string // "", "count", "token", "writetime"
	column   string
}

// condition holds a column, or the token, against a value.
type condition struct {
	column   string // zero: the token
	operator string
	bound    bool   // by a ?
	literal  string // otherwise
}

var words = regexp.MustCompile(`"(?:[^"]|"")*"|'(?:[^']|'')*'|[<>]=?|-?[A-Za-z0-9_]+|[?=*(),.;:{}]`)

// parser reads a statement word by word.
type parser struct{ words []string }

func parse(text string) (statement, error) {
	p := &parser{words.FindAllString(text, -1)}
	var s statement
	switch {
	case p.takes("ALTER"):
		return p.alter()
	case p.takes("TRUNCATE"):
		s.truncates = true
		s.keyspace, s.table = p.table()
		return s, nil
	case p.takes("DELETE"):
		s.deletes = true
	case !p.takes("SELECT"):
		return s, fmt.Errorf("only SELECT is supported: %s", text)
	}
	if !s.deletes && !p.takes("*") {
		for {
			s.items = append(s.items, p.item())
			if !p.takes(",") {
				break
			}
		}
	}
	if !p.takes("FROM") {
		return s, fmt.Errorf("no FROM in %s", text)
	}
	s.keyspace, s.table = p.table()
	for p.takes("WHERE") || p.takes("AND") {
		s.conditions = append(s.conditions, p.condition())
	}
	p.takes(";")
	if len(p.words) > 0 {
		return s, fmt.Errorf("%q is not understood in %s", p.words[0], text)
	}
	return s, nil
}

func (p *parser) table() (keyspace, table string) {
	keyspace = name(p.next())
	p.takes(".")
	return keyspace, name(p.next())
}

// alter reads ALTER KEYSPACE name WITH replication = {…}.
func (p *parser) alter() (statement, error) {
	s := statement{alters: map[string]string{}}
	if !p.takes("KEYSPACE") {
		return s, fmt.Errorf("only ALTER KEYSPACE is supported")
	}
	s.keyspace = name(p.next())
	for _, word := range []string{"WITH", "replication", "=", "{"} {
		if !p.takes(word) {
			return s, fmt.Errorf("no %s in ALTER KEYSPACE", word)
		}
	}
	for !p.takes("}") && len(p.words) > 0 {
		option := strings.Trim(p.next(), "'")
		p.takes(":")
		s.alters[option] = strings.Trim(p.next(), "'")
		p.takes(",")
	}
	return s, nil
}

func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

func (p *parser) takes(word string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

// name is an identifier: as it is in quotes, else in lower case.
func name(word string) string {
	if strings.HasPrefix(word, `"`) {
		return strings.ReplaceAll(strings.Trim(word, `"`), `""`, `"`)
	}
	return strings.ToLower(word)
}

func (p *parser) item() item {
	first := name(p.next())
	if !p.takes("(") {
		return item{column: first}
	}
	i := item{function: first}
	for !p.takes(")") && len(p.words) > 0 {
		if word := p.next(); word != "," {
			i.column = name(word)
		}
	}
	return i
}

func (p *parser) condition() condition {
	left := p.item()
	c := condition{column: left.column, operator: p.next()}
	if left.function == "token" {
		c.column = ""
	}
	if c.bound = p.takes("?"); !c.bound {
		c.literal = strings.Trim(p.next(), "'")
	}
	return c
}

// holds says whether a token stands to another as the operator says.
func (c condition) holds(token, bound int64) bool {
	switch c.operator {
	case ">":
		return token > bound
	case ">=":
		return token >= bound
	case "<":
		return token < bound
	case "<=":
		return token <= bound
	}
	return token == bound
}

func literalToken(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
