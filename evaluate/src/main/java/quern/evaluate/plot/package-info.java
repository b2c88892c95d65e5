/** Curves as pictures, drawn without a display. */
package quern.evaluate.plot;
