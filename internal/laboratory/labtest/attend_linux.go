package labtest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel ask the command to end when this process is gone, however it went.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
