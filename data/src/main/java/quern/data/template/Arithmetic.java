package quern.data.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/** Python's arithmetic: whole numbers without bound, {@code /} gives real numbers, {@code //} and {@code %} round down. */
final class Arithmetic {
    private static final BigInteger LEAST = BigInteger.valueOf(Long.MIN_VALUE);
    private static final BigInteger MOST = BigInteger.valueOf(Long.MAX_VALUE);
    private static final int MOST_BITS = 1 << 14;

    private Arithmetic() {}

    static Object narrow(BigInteger value) {
        return value.compareTo(LEAST) >= 0 && value.compareTo(MOST) <= 0 ? (Object) value.longValue() : value;
    }

    static boolean isNumber(Object value) {
        return isWhole(value) || value instanceof Double;
    }

    /** Python counts booleans among whole numbers. */
    static boolean isWhole(Object value) {
        return value instanceof Long || value instanceof Boolean || value instanceof BigInteger;
    }

    static BigInteger whole(Object value) {
        return switch (value) {
            case Boolean b -> b ? BigInteger.ONE : BigInteger.ZERO;
            case Long l -> BigInteger.valueOf(l);
            case BigInteger b -> b;
            case null, default ->
                throw TemplateException.value("expected a whole number, found %s", Values.type(value));
        };
    }

    static double real(Object value) {
        return value instanceof Double d ? d : whole(value).doubleValue();
    }

    /** A whole number that is an index or a count; larger ones are cut off. */
    static int index(Object value) {
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        return whole(value)
                .max(BigInteger.valueOf(Integer.MIN_VALUE + 1))
                .min(BigInteger.valueOf(Integer.MAX_VALUE))
                .intValue();
    }

    static int compare(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y) {
            return Long.compare(x, y);
        }
        if (a instanceof Double || b instanceof Double) {
            double x = real(a);
            double y = real(b);
            if (Double.isNaN(x) || Double.isNaN(y) || Double.isInfinite(x) || Double.isInfinite(y)) {
                return x < y ? -1 : x == y ? 0 : 1;
            }
            return exact(a).compareTo(exact(b));
        }
        return whole(a).compareTo(whole(b));
    }

    private static BigDecimal exact(Object value) {
        return value instanceof Double d ? new BigDecimal(d) : new BigDecimal(whole(value));
    }

    static Object negate(Object value) {
        if (value instanceof Double d) {
            return -d;
        }
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        return narrow(whole(value).negate());
    }

    static Object apply(String operator, Object a, Object b, Budget budget) {
        if (isNumber(a) && isNumber(b)) {
            return a instanceof Double || b instanceof Double || operator.equals("/")
                    ? reals(operator, real(a), real(b))
                    : wholes(operator, a, b);
        }
        Object made = sequences(operator, a, b, budget);
        if (made == null) {
            throw Values.refusedOperands(operator, a, b);
        }
        return made;
    }

    private static Object sequences(String operator, Object a, Object b, Budget budget) {
        if (operator.equals("+")) {
            if (a instanceof String s && b instanceof String t) {
                budget.characters((long) s.length() + t.length());
                return s + t;
            }
            if (a instanceof List<?> x
                    && b instanceof List<?> y
                    && !(a instanceof Values.Range || b instanceof Values.Range)) {
                return joined(Values.objects(x), Values.objects(y), budget);
            }
            if (a instanceof Values.Tuple(List<Object> x) && b instanceof Values.Tuple(List<Object> y)) {
                return new Values.Tuple(joined(x, y, budget));
            }
        } else if (operator.equals("*")) {
            return isWhole(b) ? repeated(a, index(b), budget) : isWhole(a) ? repeated(b, index(a), budget) : null;
        } else if (operator.equals("%") && a instanceof String format) {
            return PythonFormat.percent(format, b, budget);
        }
        return null;
    }

    private static List<Object> joined(List<Object> a, List<Object> b, Budget budget) {
        budget.items((long) a.size() + b.size());
        List<Object> all = new ArrayList<>(a.size() + b.size());
        all.addAll(a);
        all.addAll(b);
        return all;
    }

    private static Object repeated(Object value, int times, Budget budget) {
        int count = Math.max(0, times);
        return switch (value) {
            case String s -> {
                budget.characters((long) s.length() * count);
                yield s.repeat(count);
            }
            case Values.Range r -> null;
            case List<?> l -> repeatedItems(Values.objects(l), count, budget);
            case Values.Tuple t -> new Values.Tuple(repeatedItems(t.items(), count, budget));
            case null, default -> null;
        };
    }

    private static List<Object> repeatedItems(List<Object> items, int count, Budget budget) {
        budget.items((long) items.size() * count);
        List<Object> all = new ArrayList<>(items.size() * count);
        for (int i = 0; i < count && !items.isEmpty(); i++) {
            all.addAll(items);
        }
        return all;
    }

    private static Object reals(String operator, double a, double b) {
        if (b == 0
                && !operator.equals("+")
                && !operator.equals("-")
                && !operator.equals("*")
                && !operator.equals("**")) {
            throw TemplateException.value("division by zero");
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> Math.floor(a / b);
            case "%" -> modulo(a, b);
            default -> {
                if (a == 0 && b < 0) {
                    throw TemplateException.value("0 can't be raised to a negative power");
                }
                double power = Math.pow(a, b);
                if (Double.isNaN(power) && !Double.isNaN(a) && !Double.isNaN(b)) {
                    throw TemplateException.value("the root of a negative number is no real number");
                }
                yield power;
            }
        };
    }

    private static double modulo(double a, double b) {
        double rest = a % b;
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? Math.copySign(0.0, b) : rest;
    }

    private static Object wholes(String operator, Object a, Object b) {
        BigInteger x = whole(a);
        BigInteger y = whole(b);
        boolean divides = operator.equals("//") || operator.equals("%");
        if (divides && y.signum() == 0) {
            throw TemplateException.value("division by zero");
        }
        return switch (operator) {
            case "+" -> narrow(x.add(y));
            case "-" -> narrow(x.subtract(y));
            case "*" -> bounded((long) x.bitLength() + y.bitLength(), x.multiply(y));
            case "//" -> narrow(floorDivide(x, y));
            case "%" -> narrow(x.subtract(floorDivide(x, y).multiply(y)));
            default -> power(x, y);
        };
    }

    private static Object bounded(long bits, BigInteger value) {
        checkBits(bits);
        return narrow(value);
    }

    private static void checkBits(long bits) {
        if (bits > MOST_BITS) {
            throw new TemplateException(TemplateException.Kind.LIMIT, 0, "a number has too many digits");
        }
    }

    private static BigInteger floorDivide(BigInteger x, BigInteger y) {
        BigInteger[] parts = x.divideAndRemainder(y);
        return parts[1].signum() != 0 && parts[1].signum() != y.signum() ? parts[0].subtract(BigInteger.ONE) : parts[0];
    }

    private static Object power(BigInteger base, BigInteger exponent) {
        if (exponent.signum() < 0) {
            return reals("**", base.doubleValue(), exponent.doubleValue());
        }
        if (base.bitLength() > 1) {
            checkBits(exponent.bitLength() > 31 ? Long.MAX_VALUE : base.bitLength() * exponent.longValue());
        }
        boolean odd = exponent.testBit(0);
        if (base.bitLength() <= 1 && exponent.bitLength() > 31) {
            // 0, 1, -1 and -2: the last one is too large.
            if (base.equals(BigInteger.TWO.negate())) {
                checkBits(Long.MAX_VALUE);
            }
            return narrow(base.signum() < 0 && !odd ? base.negate() : base);
        }
        checkBits(base.equals(BigInteger.TWO.negate()) ? exponent.longValue() : 0);
        return narrow(base.pow(exponent.intValue()));
    }
}
