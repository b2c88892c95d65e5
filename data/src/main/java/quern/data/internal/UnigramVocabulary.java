package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import quern.data.TokenizerJson;
import quern.recipe.QuernException;

/**
 * Learns the pieces of a unigram language model (Kudo 2018, section 3.2): from a large seed vocabulary, expectation and
 * maximisation by turns, then the pieces that the likelihood misses least go, until the vocabulary is small enough. As the
 * {@code tokenizers} library does it, whose counts of strings don't see how often a word occurs, and whose estimate of a loss
 * spreads a piece over as many others as there are.
 */
public final class UnigramVocabulary {
    /** What a character that no piece has costs beyond the rarest piece, in log-probability. */
    private static final double UNKNOWN_PENALTY = 10;

    /** Pieces expected less often than this go at once. */
    private static final double LEAST_EXPECTED = 0.5;

    /** The loop ends at this multiple of the vocabulary wanted, since the last step prefers single characters. */
    private static final int ENOUGH_NUMERATOR = 11;

    private static final int ENOUGH_DENOMINATOR = 10;
    private static final double NEXT_CHARACTER = 1e-4;

    private final SymbolText text;
    private final SeedPieces seeds;
    private final Settings settings;
    private final UnigramPasses passes;

    /** The pieces left, as numbers of seeds; the first is the unknown one. */
    private int[] pieces;

    private double[] score;

    /**
     * What the trainer's record says.
     *
     * @param vocabularySize pieces and special tokens together
     * @param specialTokens tokens that come first
     * @param shrinkingFactor the share of pieces that stays in each turn
     * @param subIterations expectation and maximisation in each turn
     * @param longest characters in a piece at most
     * @param seedSize pieces to start from at most
     */
    public record Settings(
            int vocabularySize,
            List<String> specialTokens,
            double shrinkingFactor,
            int subIterations,
            int longest,
            int seedSize) {}

    /** A learned vocabulary: tokens in order of ids, each with its log-probability. */
    public record Learned(List<String> tokens, List<Double> scores) {}

    private UnigramVocabulary(SymbolText text, Settings settings, ExecutorService pool, int threads) {
        this.text = text;
        this.settings = settings;
        this.seeds = SeedPieces.of(text, settings.longest, settings.seedSize, threads);
        this.passes = new UnigramPasses(text, pool, threads);
        this.pieces = new int[seeds.from.length];
        Arrays.setAll(pieces, i -> i);
        this.score = seeds.score;
    }

    /** Learns from documents. */
    public static Learned train(Iterable<String> documents, Settings settings, int threads) {
        SymbolText text = SymbolText.of(WordCounts.count(documents, () -> MetaspaceText::split, threads));
        int characters = text.alphabet().length - 1;
        int needed = characters + settings.specialTokens.size();
        if (needed > settings.vocabularySize) {
            throw QuernException.badInput(
                    "tokenizer: vocab_size %,d is too small: %,d special tokens and %,d characters need %,d; raise it",
                    settings.vocabularySize, settings.specialTokens.size(), characters, needed);
        }
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            return new UnigramVocabulary(text, settings, pool, threads).learn();
        }
    }

    private Learned learn() {
        int enough = (int) ((long) settings.vocabularySize * ENOUGH_NUMERATOR / ENOUGH_DENOMINATOR);
        UnigramPasses.Model model = model();
        while (true) {
            for (int i = 0; i < settings.subIterations; i++) {
                maximise(passes.expected(model));
                model = model();
            }
            if (pieces.length <= enough) {
                return finish(model);
            }
            int before = pieces.length;
            prune(model, Math.max(enough, (int) (before * settings.shrinkingFactor)));
            model = model();
            if (pieces.length == before) {
                // Nothing more can go: every piece left is the only way to spell something.
                return finish(model);
            }
        }
    }

    private UnigramPasses.Model model() {
        int[] current = new int[seeds.from.length];
        Arrays.fill(current, -1);
        double least = Double.POSITIVE_INFINITY;
        for (int i = 1; i < pieces.length; i++) {
            current[pieces[i]] = i;
            least = Math.min(least, score[i]);
        }
        int[] left = new int[pieces.length];
        int count = 0;
        for (int seed : seeds.sorted) {
            if (current[seed] > 0) {
                left[count++] = seed;
            }
        }
        PieceTrie trie = new PieceTrie(text, left, count, seeds.from, seeds.length, current);
        return new UnigramPasses.Model(trie, score, least - UNKNOWN_PENALTY);
    }

    /** The M step, with a prior that favours few pieces: the digamma function in place of the logarithm (Liang and Klein 2007). */
    private void maximise(double[] expected) {
        int[] kept = new int[pieces.length];
        double[] frequency = new double[pieces.length];
        int count = 1;
        double sum = 0;
        for (int i = 1; i < pieces.length; i++) {
            if (expected[i] >= LEAST_EXPECTED) {
                kept[count] = pieces[i];
                frequency[count++] = expected[i];
                sum += expected[i];
            }
        }
        double log = digamma(sum);
        pieces = Arrays.copyOf(kept, count);
        score = new double[count];
        for (int i = 1; i < count; i++) {
            score[i] = digamma(frequency[i]) - log;
        }
    }

    /** Takes away pieces that no best segmentation holds, then those whose loss hurts least. */
    private void prune(UnigramPasses.Model model, int size) {
        int[] from = new int[pieces.length];
        int[] length = new int[pieces.length];
        for (int i = 0; i < pieces.length; i++) {
            from[i] = seeds.from[pieces[i]];
            length[i] = seeds.length[pieces[i]];
        }
        int[][] alternatives = passes.alternatives(model, from, length);
        long[] frequency = passes.best(model);
        double sum = 0;
        for (long f : frequency) {
            sum += f;
        }
        double log = StrictMath.log(sum);
        int[] kept = new int[pieces.length];
        double[] keptScore = new double[pieces.length];
        int count = 1;
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 1; i < pieces.length; i++) {
            boolean needed = alternatives[i] != null;
            if (frequency[i] == 0 && !needed) {
                continue;
            }
            if (!needed || alternatives[i].length == 0) {
                kept[count] = pieces[i];
                keptScore[count++] = score[i];
            } else if (frequency[i] > 0) {
                double spread = StrictMath.log(sum + (double) frequency[i] * (pieces.length - 1));
                double alternative = 0;
                for (int other : alternatives[i]) {
                    alternative += StrictMath.log((double) frequency[other] + frequency[i]) - spread;
                }
                candidates.add(new Candidate(i, frequency[i] * (StrictMath.log(frequency[i]) - log - alternative)));
            }
        }
        candidates.sort(null);
        for (Candidate candidate : candidates.subList(0, Math.clamp(size - (long) count, 0, candidates.size()))) {
            kept[count] = pieces[candidate.piece];
            keptScore[count++] = score[candidate.piece];
        }
        pieces = Arrays.copyOf(kept, count);
        score = Arrays.copyOf(keptScore, count);
    }

    /** A piece and how much less likely the text would be without it; the greatest loss first. */
    private record Candidate(int piece, double loss) implements Comparable<Candidate> {
        @Override
        public int compareTo(Candidate other) {
            int order = Double.compare(other.loss, loss);
            return order == 0 ? Integer.compare(piece, other.piece) : order;
        }
    }

    /** Every character, then the other pieces in their order up to the size wanted; the likeliest first. */
    private Learned finish(UnigramPasses.Model model) {
        Map<String, Double> known = new LinkedHashMap<>();
        for (int i = 1; i < pieces.length; i++) {
            known.put(text.text(seeds.from[pieces[i]], seeds.length[pieces[i]]), score[i]);
        }
        List<String> tokens = new ArrayList<>();
        Map<String, Double> scores = new HashMap<>();
        double next = model.unknown() + UNKNOWN_PENALTY;
        for (int symbol = 1; symbol < text.alphabet().length; symbol++) {
            String character = Character.toString(text.alphabet()[symbol]);
            Double own = known.get(character);
            tokens.add(character);
            scores.put(character, own == null ? next : own);
            next += own == null ? NEXT_CHARACTER : 0;
        }
        int room = settings.vocabularySize - settings.specialTokens.size();
        for (Map.Entry<String, Double> piece : known.entrySet()) {
            if (tokens.size() >= room) {
                break;
            }
            if (scores.putIfAbsent(piece.getKey(), piece.getValue()) == null) {
                tokens.add(piece.getKey());
            }
        }
        tokens.removeAll(settings.specialTokens);
        tokens.sort((a, b) -> Double.compare(scores.get(b), scores.get(a)));
        List<String> all = new ArrayList<>(settings.specialTokens);
        all.addAll(tokens);
        List<Double> allScores = new ArrayList<>();
        settings.specialTokens.forEach(token -> allScores.add(0.0));
        tokens.forEach(token -> allScores.add(scores.get(token)));
        return new Learned(all, allScores);
    }

    /** The logarithmic derivative of the gamma function: its recurrence, then its asymptotic series. */
    static double digamma(double x) {
        double result = 0;
        double at = x;
        while (at < 7) {
            result -= 1 / at;
            at++;
        }
        double inverse = 1 / (at * at);
        return result
                + StrictMath.log(at)
                - 0.5 / at
                - inverse * (1 / 12.0 - inverse * (1 / 120.0 - inverse * (1 / 252.0 - inverse / 240)));
    }

    /** The sections of {@code tokenizer.json}. */
    public static Map<String, Map<String, Object>> parts(int unknownId) {
        Map<String, Object> metaspace = new LinkedHashMap<>();
        metaspace.put("type", "Metaspace");
        metaspace.put("replacement", String.valueOf(MetaspaceText.BLANK));
        metaspace.put("prepend_scheme", "always");
        metaspace.put("split", true);
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "Unigram");
        model.put("unk_id", unknownId);
        model.put("byte_fallback", false);
        return Map.of(
                TokenizerJson.NORMALIZER,
                Map.of("type", "NFKC"),
                "pre_tokenizer",
                metaspace,
                "decoder",
                metaspace,
                "model",
                model);
    }
}
