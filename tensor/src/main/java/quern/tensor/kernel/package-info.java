/**
 * Fused kernels for the CPU, written with the Vector API over native memory. They read and write each value once, run on
 * the threads of {@link quern.tensor.kernel.KernelThreads}, and give the same bits for any number of threads, since work
 * is cut into blocks of a fixed size.
 *
 * <p>Callers ask {@link quern.tensor.kernel.Kernels#available()} once and take libtorch's path when it is false.
 *
 * <p>Segments must be reachable from any thread: of a shared, automatic or the global arena, or made from a tensor's
 * address. Elements are in the machine's byte order; bfloat16 values are 16-bit integers.
 */
package quern.tensor.kernel;
