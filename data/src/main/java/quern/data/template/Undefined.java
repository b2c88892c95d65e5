package quern.data.template;

/**
 * What a name or attribute is that does not exist: prints nothing, is false and empty, and refuses everything else.
 *
 * @param why what an error says when it is used
 * @param unsafe whether even printing it is an error
 */
record Undefined(String why, boolean unsafe) {
    Undefined(String why) {
        this(why, false);
    }

    static Undefined name(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    TemplateException refusal() {
        return TemplateException.value("%s", why);
    }
}
