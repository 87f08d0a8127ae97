package dnsfed

import (
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// ParseCorefile reads a Corefile. What is wrong in it is a [geored.Fault] with its line. Imports are not followed: they
// stay directives. Variables of the environment stay as they are written.
func ParseCorefile(text string) (Corefile, error) {
	p := parser{tokens: tokens(text)}
	c := Corefile{text: text}
	for !p.atEnd() {
		block, err := p.block()
		if err != nil {
			return Corefile{}, err
		}
		c.Blocks = append(c.Blocks, block)
	}
	return c, nil
}

type parser struct {
	tokens []token
	next   int
}

func (p *parser) atEnd() bool { return p.next == len(p.tokens) }

func (p *parser) peek() token { return p.tokens[p.next] }

// newLine says whether the next word stands on a later line than the one before it.
func (p *parser) newLine() bool {
	return p.next == 0 || p.tokens[p.next-1].lastLine < p.peek().line
}

func (p *parser) block() (Block, error) {
	b := Block{Line: p.peek().line, start: p.peek().start}
	if err := p.keys(&b); err != nil {
		return b, err
	}
	if !p.atEnd() && p.peek().text == "{" {
		p.next++
		b.braces = true
	}
	if b.IsSnippet() && !b.braces {
		return b, lineFault(b.Line, b.Keys[0], "is a snippet without a block", "open one with {")
	}
	var err error
	b.Directives, err = p.directives(b.braces)
	if err != nil {
		return b, err
	}
	if b.braces {
		if p.atEnd() {
			return b, lineFault(b.Line, strings.Join(b.Keys, " "), "opens a block that is not closed", "close it with }")
		}
		p.next++
	}
	b.end = p.tokens[p.next-1].end
	return b, nil
}

// keys are what stands before the block: on one line, or on several with commas between them.
func (p *parser) keys(b *Block) error {
	expecting := false
	for first := true; !p.atEnd() && (first || expecting || !p.newLine()); first = false {
		t := p.peek()
		if t.text == "}" {
			return unexpected(t)
		}
		if t.text == "{" {
			if expecting || first {
				return lineFault(t.line, "{", "stands where an address is expected", "name the zone before it, and look for a comma too many")
			}
			return nil
		}
		p.next++
		key, more := strings.CutSuffix(t.text, ",")
		expecting = more
		if t.text != "" {
			b.Keys = append(b.Keys, key)
		}
	}
	if expecting {
		return lineFault(b.Line, b.Keys[len(b.Keys)-1], "ends in a comma and no address follows", "remove the comma")
	}
	return nil
}

// directives reads until the closing brace, or to the end of the file when there are no braces.
func (p *parser) directives(braces bool) ([]Directive, error) {
	var all []Directive
	for !p.atEnd() {
		if t := p.peek(); t.text == "}" {
			if braces {
				return all, nil
			}
			return nil, unexpected(t)
		}
		d, err := p.directive()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (p *parser) directive() (Directive, error) {
	t := p.peek()
	if t.text == "{" {
		return Directive{}, unexpected(t)
	}
	p.next++
	d := Directive{Name: t.text, Line: t.line, start: t.start}
	for !p.atEnd() && !p.newLine() && p.peek().text != "}" && p.peek().text != "{" {
		d.Args = append(d.Args, p.peek().text)
		p.next++
	}
	if !p.atEnd() && p.peek().text == "{" {
		if err := p.options(&d); err != nil {
			return d, err
		}
	}
	last := p.tokens[p.next-1]
	d.end, d.LastLine = last.end, last.lastLine
	return d, nil
}

func (p *parser) options(d *Directive) error {
	d.block = true
	p.next++
	var err error
	if d.Options, err = p.directives(true); err != nil {
		return err
	}
	if p.atEnd() {
		return lineFault(d.Line, d.Name, "opens a block that is not closed", "close it with }")
	}
	p.next++
	if !p.atEnd() && !p.newLine() && p.peek().text != "}" {
		return lineFault(p.peek().line, p.peek().text, "stands behind a closing brace", "begin a line of its own")
	}
	return nil
}

func unexpected(t token) geored.Fault {
	return lineFault(t.line, t.text, "has no block to belong to", "count the braces")
}
