/**
 * The parts that a model of family {@code custom} is put together from: what each kind of part must do, and what a part
 * knows of the model it is in.
 */
package quern.models.part;
