package quern.nn;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import quern.tensor.Scope;

/** A scope around every test, so that a test's own tensors are freed with it. */
abstract class ScopedTest {
    private Scope scope;

    @BeforeEach
    void openScope() {
        scope = Scope.open();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }
}
