// Package vdso gives a process that runs another time of day. Programs of Go, linked statically, ask no library for the
// time: they call a page of code that the kernel maps into every process, its vDSO. That page is changed in the one
// process, as a debugger sets a breakpoint; the machine's clock and all other processes stay as they are.
package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// SetAhead lets a process that stands still take the time of day to be that much later than it is; zero gives it the
// machine's back. It lasts as long as the process.
func SetAhead(pid int, by time.Duration) error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("clock of a process on %s: not known how", runtime.GOARCH)
	}
	own, err := open(os.Getpid(), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer own.Close()
	other, err := open(pid, os.O_RDWR)
	if err != nil {
		return err
	}
	defer other.Close()
	pristine := own.text
	entry, room, err := places(pristine)
	if err != nil {
		return err
	}
	if err := other.idle(span{entry, entry + jumpLength}, span{room, room + len(shifted(0))}); err != nil {
		return err
	}
	if by == 0 {
		return other.write(entry, pristine[entry:entry+jumpLength])
	}
	if err := other.write(room, shifted(by)); err != nil {
		return err
	}
	return other.write(entry, jump(entry, room))
}

// ErrBusy says that a thread stands in the code that is to be changed: let the process go on for a moment.
var ErrBusy = errors.New("a thread is asking for the time just now")

const jumpLength = 5

// jump goes from one place to another.
func jump(from, to int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(to-from-jumpLength)))
}

// shifted asks the kernel for a clock, and moves the answer when it is the time of day (clock 0).
func shifted(by time.Duration) []byte {
	code := []byte{
		0xb8, 228, 0, 0, 0, // mov eax, clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi
		0x75, 13, // jne to the end
		0x48, 0xb9, // mov rcx, the seconds that follow
	}
	code = binary.LittleEndian.AppendUint64(code, uint64(int64(by/time.Second)))
	return append(code,
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3) // ret
}

// places finds in the page the function that tells the time, and room for another at the end.
func places(text []byte) (entry, room int, err error) {
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return 0, 0, fmt.Errorf("vDSO: %w", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return 0, 0, fmt.Errorf("vDSO: %w", err)
	}
	length := len(shifted(0))
	room = len(text) - length
	for _, b := range text[room:] {
		if b != 0 {
			return 0, 0, errors.New("vDSO: no room is left in it")
		}
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			return int(s.Value), room, nil
		}
	}
	return 0, 0, errors.New("vDSO: does not tell the time")
}

// image is the page of a process.
type image struct {
	*os.File
	pid  int
	base int64
	text []byte
}

func open(pid, flags int) (*image, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	var begin, end int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x ", &begin, &end); err != nil {
				return nil, fmt.Errorf("process %d: its maps: %w", pid, err)
			}
		}
	}
	if begin == 0 {
		return nil, fmt.Errorf("process %d: has no vDSO", pid)
	}
	file, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), flags, 0)
	if err != nil {
		return nil, err
	}
	i := &image{file, pid, begin, make([]byte, end-begin)}
	if _, err := file.ReadAt(i.text, begin); err != nil {
		file.Close()
		return nil, fmt.Errorf("process %d: its vDSO: %w", pid, err)
	}
	return i, nil
}

func (i *image) write(at int, code []byte) error {
	if _, err := i.WriteAt(code, i.base+int64(at)); err != nil {
		return fmt.Errorf("process %d: its vDSO: %w", i.pid, err)
	}
	return nil
}

// span is a part of the page, from its begin up to its end.
type span struct{ begin, end int }

// idle says whether no thread stands within what is to be changed.
func (i *image) idle(spans ...span) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", i.pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", i.pid, thread.Name()))
		if err != nil {
			return err
		}
		fields := strings.Fields(string(text)) // the last one is where it stands
		if len(fields) < 3 {
			return ErrBusy // it runs
		}
		var at int64
		if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &at); err != nil {
			return fmt.Errorf("process %d: %q: %w", i.pid, text, err)
		}
		for _, s := range spans {
			if at >= i.base+int64(s.begin) && at < i.base+int64(s.end) {
				return ErrBusy
			}
		}
	}
	return nil
}
