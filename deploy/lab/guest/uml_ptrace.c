/* ptrace(2) for user-mode Linux 6.1, loaded before libc's.
 *
 * UML keeps the extended state of its processes in 2,696 bytes and sets it with PTRACE_SETREGSET. Where the CPU has AMX the state is
 * some 11 kB, the host's kernel takes nothing but the whole (xstateregs_set in arch/x86/kernel/fpu/regset.c), and every process of
 * the guest dies at once. Here the rest is filled in with what the process has: AMX, which it may not use.
 */

enum { SYS_PTRACE = 101, PEEKS = 3, SETREGSET = 0x4205, GETREGSET = 0x4204, NT_X86_XSTATE = 0x202 };

struct iovec {
    void *base;
    unsigned long length;
};

long syscall(long number, ...);
void *memcpy(void *to, const void *from, unsigned long length);
int *__errno_location(void);

static unsigned char whole[1 << 16]; /* for one at a time: this kernel has one CPU */

static struct iovec filled_in(int pid, struct iovec given)
{
    struct iovec all = {whole, sizeof whole};
    if (syscall(SYS_PTRACE, (long)GETREGSET, (long)pid, (long)NT_X86_XSTATE, &all) < 0 || all.length <= given.length)
        return given;
    memcpy(whole, given.base, given.length);
    return all;
}

long ptrace(int request, int pid, void *address, void *data)
{
    struct iovec state;
    long peeked, is_peek = request >= 1 && request <= PEEKS; /* libc's returns what these read */
    if (request == SETREGSET && address == (void *)NT_X86_XSTATE) {
        state = filled_in(pid, *(struct iovec *)data);
        data = &state;
    }
    long said = syscall(SYS_PTRACE, (long)request, (long)pid, address, is_peek ? &peeked : data);
    if (said < 0 || !is_peek)
        return said;
    *__errno_location() = 0;
    return peeked;
}
