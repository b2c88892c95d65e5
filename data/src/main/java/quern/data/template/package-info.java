/** The template language of chat templates: a lexer, a parser and an evaluator with Python's values. */
package quern.data.template;
