package quern.data.corpus.internal;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.nodes.Node;
import org.jsoup.nodes.TextNode;
import org.jsoup.select.NodeFilter;
import org.jsoup.select.NodeTraversor;
import quern.data.corpus.Quarantine;

/**
 * The text of a page. What is boilerplate is told by shallow features of blocks, after C. Kohlschütter, P. Fankhauser and
 * W. Nejdl, "Boilerplate Detection using Shallow Text Features" (WSDM 2010): the words of a block, the share of them that
 * are links, and those of the blocks before and after it, by the decision tree over word counts of their section 4.3.
 *
 * <p>Beyond the paper: elements whose name or role says that they are navigation, forms or scripts are left out before;
 * a heading stays where the block after it stays; items of a list and preformatted text stay with the block before them
 * while they hold few links.
 */
public final class PageText {
    private static final Set<String> SKIPPED = Set.of(
            "script",
            "style",
            "noscript",
            "template",
            "svg",
            "math",
            "iframe",
            "object",
            "embed",
            "nav",
            "footer",
            "aside",
            "form",
            "button",
            "select",
            "option",
            "textarea",
            "input",
            "head",
            "canvas",
            "audio",
            "video",
            "dialog",
            "menu");
    private static final Set<String> HIDDEN_TEXT = Set.of("script", "style", "noscript", "template", "svg", "head");
    private static final Set<String> SKIPPED_ROLES =
            Set.of("navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "dialog");
    private static final Set<String> HEADINGS = Set.of("h1", "h2", "h3", "h4", "h5", "h6");
    /** Where browsers begin a new line, among elements that jsoup takes for inline ones. */
    private static final Set<String> BREAKS = Set.of("br", "option", "td", "th", "dt", "dd");

    private static final int DECLARATION_BYTES = 4096;
    private static final Pattern DECLARATION = Pattern.compile(
            "<meta[^>]{0,200}?charset\\s*=\\s*[\"']?\\s*([A-Za-z0-9_:.-]{1,40})", Pattern.CASE_INSENSITIVE);

    /** A run of text between two borders of blocks. */
    private record TextBlock(String text, int words, int linkWords, boolean heading, boolean item) {
        double linkDensity() {
            return words == 0 ? 0 : (double) linkWords / words;
        }
    }

    private static final TextBlock NOTHING = new TextBlock("", 0, 0, false, false);

    private PageText() {}

    /**
     * The text of a page, a block a line, an empty line between paragraphs; the empty text where nothing is left, and none of
     * what is no page but binary data, which is quarantined.
     *
     * @param place of the page, for the quarantine
     * @param declared the character set of the HTTP header
     * @param readable whether boilerplate is left out
     */
    public static Optional<String> of(
            String place, byte[] page, Optional<String> declared, boolean readable, Quarantine quarantine) {
        String html = TextDecoder.decode(page, declared.or(() -> inPage(page)), quarantine);
        return TextDecoder.isBinary(place, html, quarantine) ? Optional.empty() : Optional.of(of(html, readable));
    }

    static String of(String html, boolean readable) {
        Document document = Jsoup.parse(html);
        List<TextBlock> blocks = blocks(document, readable);
        StringBuilder text = new StringBuilder();
        TextBlock last = null;
        for (TextBlock block : readable ? content(blocks) : blocks) {
            if (last != null) {
                text.append(last.item() && block.item() ? "\n" : "\n\n");
            }
            text.append(block.text());
            last = block;
        }
        return text.toString();
    }

    private static Optional<String> inPage(byte[] page) {
        String head = new String(page, 0, Math.min(page.length, DECLARATION_BYTES), StandardCharsets.ISO_8859_1);
        Matcher found = DECLARATION.matcher(head);
        return found.find() ? Optional.of(found.group(1)) : Optional.empty();
    }

    private static List<TextBlock> blocks(Document document, boolean readable) {
        Blocks blocks = new Blocks(readable);
        NodeTraversor.filter(blocks, document);
        blocks.end();
        return blocks.found;
    }

    /** Walks the tree without recursion and cuts the text at the borders of blocks. */
    private static final class Blocks implements NodeFilter {
        private final boolean readable;
        private final List<TextBlock> found = new ArrayList<>();
        private final StringBuilder text = new StringBuilder();
        private int words;
        private int linkWords;
        private int links;
        private int headings;
        private int items;
        private int preformatted;

        Blocks(boolean readable) {
            this.readable = readable;
        }

        @Override
        public FilterResult head(Node node, int depth) {
            if (node instanceof TextNode leaf) {
                add(leaf.getWholeText());
            } else if (node instanceof Element element) {
                String name = element.normalName();
                if ((readable ? SKIPPED : HIDDEN_TEXT).contains(name) || isHidden(element)) {
                    return FilterResult.SKIP_ENTIRELY;
                }
                if (isBorder(element, name)) {
                    end();
                }
                count(name, 1);
            }
            return FilterResult.CONTINUE;
        }

        @Override
        public FilterResult tail(Node node, int depth) {
            if (node instanceof Element element) {
                String name = element.normalName();
                if (isBorder(element, name)) {
                    end();
                }
                count(name, -1);
            }
            return FilterResult.CONTINUE;
        }

        private static boolean isBorder(Element element, String name) {
            return element.isBlock() || BREAKS.contains(name);
        }

        private boolean isHidden(Element element) {
            return element.hasAttr("hidden")
                    || element.attr("aria-hidden").equals("true")
                    || readable && SKIPPED_ROLES.contains(element.attr("role"));
        }

        private void count(String name, int by) {
            switch (name) {
                case "a" -> links += by;
                case "li", "dd", "dt", "td", "th", "tr" -> items += by;
                case "pre" -> preformatted += by;
                default -> headings += HEADINGS.contains(name) ? by : 0;
            }
        }

        private void add(String more) {
            if (preformatted > 0) {
                words += count(more);
                text.append(more);
                return;
            }
            boolean space = text.isEmpty() || Character.isWhitespace(text.charAt(text.length() - 1));
            int before = words;
            boolean inWord = !space;
            for (int i = 0; i < more.length(); i++) {
                char c = more.charAt(i);
                if (Character.isWhitespace(c) || c == '\u00a0' || c == '\u200b') {
                    if (inWord) {
                        text.append(' ');
                    }
                    inWord = false;
                } else {
                    if (!inWord) {
                        words++;
                    }
                    inWord = true;
                    text.append(c);
                }
            }
            linkWords += links > 0 ? words - before : 0;
        }

        private static int count(String text) {
            return text.isBlank() ? 0 : text.strip().split("\\s+").length;
        }

        void end() {
            String own = preformatted > 0
                    ? text.toString().stripTrailing()
                    : text.toString().strip();
            if (!own.isBlank()) {
                found.add(
                        new TextBlock(own, words, Math.min(words, linkWords), headings > 0, items + preformatted > 0));
            }
            text.setLength(0);
            words = 0;
            linkWords = 0;
        }
    }

    private static List<TextBlock> content(List<TextBlock> blocks) {
        boolean[] stays = new boolean[blocks.size()];
        for (int i = 0; i < stays.length; i++) {
            TextBlock before = i == 0 ? NOTHING : blocks.get(i - 1);
            TextBlock after = i + 1 == stays.length ? NOTHING : blocks.get(i + 1);
            TextBlock block = blocks.get(i);
            stays[i] = isContent(before, block, after)
                    || i > 0 && stays[i - 1] && block.item() && block.linkDensity() <= CURRENT_LINKS;
        }
        for (int i = stays.length - 2; i >= 0; i--) {
            stays[i] |= stays[i + 1] && blocks.get(i).heading() && blocks.get(i).linkDensity() <= CURRENT_LINKS;
        }
        List<TextBlock> content = new ArrayList<>();
        for (int i = 0; i < stays.length; i++) {
            if (stays[i]) {
                content.add(blocks.get(i));
            }
        }
        return content;
    }

    private static final double CURRENT_LINKS = 0.333333;
    private static final double PREVIOUS_LINKS = 0.555556;

    /** The paper's tree; its thresholds are learned ones. */
    private static boolean isContent(TextBlock before, TextBlock block, TextBlock after) {
        if (block.linkDensity() > CURRENT_LINKS) {
            return false;
        }
        if (before.linkDensity() <= PREVIOUS_LINKS) {
            return block.words() > 16 || after.words() > 15 || before.words() > 4;
        }
        return block.words() > 40 || after.words() > 17;
    }
}
