package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class ProductsTest {
    private static boolean isFast(String vendor, String flags) {
        return Products.isBf16Fast(List.of("processor\t: 0", "vendor_id\t: " + vendor, "flags\t\t: " + flags));
    }

    @Test
    void theProcessorSaysWhetherBf16IsFast() {
        assertTrue(isFast("GenuineIntel", "fpu avx512f amx_bf16 avx512_bf16 amx_tile"));
        assertFalse(isFast("GenuineIntel", "fpu avx512f avx512_bf16"));
        assertFalse(isFast("GenuineIntel", "fpu avx2"));
        assertTrue(isFast("AuthenticAMD", "fpu avx512f avx512_bf16"));
        assertFalse(isFast("AuthenticAMD", "fpu avx2"));
        assertFalse(Products.isBf16Fast(List.of()));
    }

    @Test
    void onlyBf16OnTheCpuIsWidened() {
        DType expected = Products.isBf16Fast() ? DType.BF16 : DType.FP32;
        assertEquals(expected, Products.dtype(DType.BF16, Device.CPU));
        assertEquals(DType.BF16, Products.dtype(DType.BF16, Device.cuda(0)));
        assertEquals(DType.FP32, Products.dtype(DType.FP32, Device.CPU));
        assertEquals(DType.FP16, Products.dtype(DType.FP16, Device.CPU));
    }
}
