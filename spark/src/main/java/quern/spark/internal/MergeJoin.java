package quern.spark.internal;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.ToLongFunction;

/** Rows of a partition in the order of places, each met with the marks that name its place, in one pass over both. */
final class MergeJoin<L, M, R> implements Iterator<R> {
    private final Iterator<L> rows;
    private final ToLongFunction<L> placeOfRow;
    private final Iterator<M> marks;
    private final ToLongFunction<M> placeOfMark;
    private final Meet<L, M, R> meet;
    private final List<M> met = new ArrayList<>();
    private final List<R> made = new ArrayList<>();
    private M mark;
    private int at;

    /** Makes rows of a row and the marks of its place, often none. */
    interface Meet<L, M, R> extends Serializable {
        /** Adds what it makes to {@code out}. */
        void take(L row, List<M> marks, List<R> out);
    }

    MergeJoin(
            Iterator<L> rows,
            ToLongFunction<L> placeOfRow,
            Iterator<M> marks,
            ToLongFunction<M> placeOfMark,
            Meet<L, M, R> meet) {
        this.rows = rows;
        this.placeOfRow = placeOfRow;
        this.marks = marks;
        this.placeOfMark = placeOfMark;
        this.meet = meet;
        advance();
    }

    /** For marks that are records whose first number is the place. */
    static <L, R> Iterator<R> ofRecords(
            Iterator<L> rows, ToLongFunction<L> placeOfRow, Iterator<long[]> marks, Meet<L, long[], R> meet) {
        return new MergeJoin<>(rows, placeOfRow, marks, mark -> mark[0], meet);
    }

    private void advance() {
        mark = marks.hasNext() ? marks.next() : null;
    }

    @Override
    public boolean hasNext() {
        while (at == made.size() && rows.hasNext()) {
            made.clear();
            at = 0;
            L row = rows.next();
            long place = placeOfRow.applyAsLong(row);
            met.clear();
            while (mark != null && placeOfMark.applyAsLong(mark) == place) {
                met.add(mark);
                advance();
            }
            meet.take(row, met, made);
        }
        if (at == made.size() && mark != null) {
            throw new IllegalStateException(
                    "a mark on place %d, where no document is".formatted(placeOfMark.applyAsLong(mark)));
        }
        return at < made.size();
    }

    @Override
    public R next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return made.get(at++);
    }
}
