package quern.cli;

/** x. */
public final class Main {
    private Main() {}

    /** x. */
    public static void main(String[] args) {
        long t0 = System.nanoTime();
        quern.cli.internal.Posix.move(Integer.getInteger("quern.stderr"), 2);
        long t1 = System.nanoTime();
        boolean x = quern.cli.internal.Posix.isTerminal(2);
        long t2 = System.nanoTime();
        int c = quern.cli.internal.Posix.columns(2);
        System.err.println(x + " " + c + " " + (t1 - t0) / 1e6 + " " + (t2 - t1) / 1e6+ " " + (System.nanoTime() - t2) / 1e6);
    }
}
